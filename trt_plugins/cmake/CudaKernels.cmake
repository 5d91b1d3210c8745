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
find_program(SEGPP_NVCC NAMES "${CMAKE_CUDA_COMPILER}" NO_CACHE)
if(NOT SEGPP_NVCC AND CUDA_INCLUDE_DIR)
  set(SEGPP_ONLY_CHECK ON)
  message(STATUS
    "No CUDA compiler: only the plugins' own sources are compiled, against ${CUDA_INCLUDE_DIR}")
elseif(NOT SEGPP_NVCC)
  message(FATAL_ERROR
    "No CUDA compiler was found (CMAKE_CUDA_COMPILER is '${CMAKE_CUDA_COMPILER}').\n"
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

if(NOT SEGPP_ONLY_CHECK)
  if(NOT CMAKE_CUDA_ARCHITECTURES)
    choose_architectures()
  endif()
  enable_language(CUDA)
  message(STATUS "CUDA ${CMAKE_CUDA_COMPILER_VERSION} for ${CMAKE_CUDA_ARCHITECTURES}")
endif()

find_path(CUDA_INCLUDE_DIR cuda_runtime_api.h
  HINTS ${CMAKE_CUDA_TOOLKIT_INCLUDE_DIRECTORIES}
  DOC "The folder of cuda_runtime_api.h")
if(NOT EXISTS "${CUDA_INCLUDE_DIR}/cuda_runtime_api.h")
  message(FATAL_ERROR
    "CUDA's headers were not found (cuda_runtime_api.h, looked in '${CUDA_INCLUDE_DIR}').\n"
    "Say where it is: -DCUDA_INCLUDE_DIR=/path/to/include")
endif()

add_library(segpp_cuda INTERFACE)
add_library(segpp::cuda ALIAS segpp_cuda)
target_include_directories(segpp_cuda SYSTEM INTERFACE "${CUDA_INCLUDE_DIR}")
target_link_directories(segpp_cuda INTERFACE ${cuda_link_directory})
