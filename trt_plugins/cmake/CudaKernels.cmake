# segpp::cuda: the toolkit of JetPack, of a workstation, or of the registry's wheels alone.

include(CheckLanguage)

# The wheels keep their libraries in lib; nvcc and the check of it look in lib64.
function(find_libraries_of_wheels)
  get_filename_component(root "${CMAKE_CUDA_COMPILER}/../.." ABSOLUTE)
  if(EXISTS "${root}/lib/libcudart_static.a" AND NOT EXISTS "${root}/lib64")
    set(ENV{LIBRARY_PATH} "${root}/lib:$ENV{LIBRARY_PATH}")
    set(cuda_link_directory "${root}/lib" PARENT_SCOPE)
  endif()
endfunction()

if(CMAKE_CUDA_COMPILER)
  find_libraries_of_wheels()
else()
  check_language(CUDA)
endif()
if(NOT CMAKE_CUDA_COMPILER)
  set(CMAKE_CUDA_COMPILER nvcc)
endif()
find_program(nvcc NAMES "${CMAKE_CUDA_COMPILER}")
if(NOT nvcc)
  message(FATAL_ERROR
    "No CUDA compiler was found at ${CMAKE_CUDA_COMPILER}.\n"
    "Put nvcc on the PATH (JetPack: export PATH=/usr/local/cuda/bin:$PATH), or name it: "
    "-DCMAKE_CUDA_COMPILER=/path/to/nvcc. Without a toolkit the preset 'host' builds for tests.")
endif()

# What a device of ours needs, as far as this toolkit knows it.
function(choose_architectures)
  execute_process(COMMAND "${CMAKE_CUDA_COMPILER}" --list-gpu-arch
    OUTPUT_VARIABLE listed RESULT_VARIABLE failed ERROR_QUIET)
  if(failed)
    message(FATAL_ERROR "${CMAKE_CUDA_COMPILER} does not run: --list-gpu-arch ended with ${failed}")
  endif()
  set(chosen "")
  foreach(architecture 75 80 86 87 89 90 100 110 120)
    if(listed MATCHES "compute_${architecture}[^0-9a-z]")
      list(APPEND chosen "${architecture}-real")
    endif()
  endforeach()
  set(CMAKE_CUDA_ARCHITECTURES "${chosen}" PARENT_SCOPE)
endfunction()

if(NOT CMAKE_CUDA_ARCHITECTURES)
  choose_architectures()
endif()
enable_language(CUDA)
message(STATUS "CUDA ${CMAKE_CUDA_COMPILER_VERSION} for ${CMAKE_CUDA_ARCHITECTURES}")

find_path(CUDA_INCLUDE_DIR cuda_runtime_api.h
  HINTS ${CMAKE_CUDA_TOOLKIT_INCLUDE_DIRECTORIES}
  DOC "The folder of cuda_runtime_api.h")
if(NOT CUDA_INCLUDE_DIR)
  message(FATAL_ERROR
    "cuda_runtime_api.h was not found beside ${CMAKE_CUDA_COMPILER}.\n"
    "Say where it is: -DCUDA_INCLUDE_DIR=/path/to/include")
endif()

add_library(segpp_cuda INTERFACE)
add_library(segpp::cuda ALIAS segpp_cuda)
target_include_directories(segpp_cuda SYSTEM INTERFACE "${CUDA_INCLUDE_DIR}")
target_link_directories(segpp_cuda INTERFACE ${cuda_link_directory})
