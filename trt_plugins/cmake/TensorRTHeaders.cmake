# segpp::tensorrt_headers: JetPack's and Debian's own, or those in TENSORRT_INCLUDE_DIR.

find_path(TENSORRT_INCLUDE_DIR NvInferRuntime.h
  HINTS ENV TENSORRT_ROOT ENV TENSORRT_INCLUDE_DIR
  PATHS /usr/local/tensorrt /opt/tensorrt /usr/include/${CMAKE_SYSTEM_PROCESSOR}-linux-gnu
  PATH_SUFFIXES include
  DOC "The folder of NvInferRuntime.h")
if(NOT TENSORRT_INCLUDE_DIR OR NOT EXISTS "${TENSORRT_INCLUDE_DIR}/NvInferRuntime.h")
  message(FATAL_ERROR
    "TensorRT's headers were not found (NvInferRuntime.h, looked in '${TENSORRT_INCLUDE_DIR}').\n"
    "On JetPack: sudo apt install libnvinfer-headers-dev. Elsewhere say where they are: "
    "-DTENSORRT_INCLUDE_DIR=/path/to/include")
endif()

# 10.13 and later give the numbers indirectly: NV_TENSORRT_MAJOR is TRT_MAJOR_ENTERPRISE there.
file(READ "${TENSORRT_INCLUDE_DIR}/NvInferVersion.h" version_text)
foreach(part MAJOR MINOR)
  string(REGEX MATCH "define (NV_TENSORRT_${part}|TRT_${part}_ENTERPRISE) ([0-9]+)" _
    "${version_text}")
  set(TENSORRT_${part} "${CMAKE_MATCH_2}")
endforeach()
set(TENSORRT_VERSION "${TENSORRT_MAJOR}.${TENSORRT_MINOR}")
if(TENSORRT_VERSION VERSION_LESS 10.3)
  message(FATAL_ERROR
    "TensorRT ${TENSORRT_VERSION} in ${TENSORRT_INCLUDE_DIR} is too old: the plugins need 10.3, "
    "which came with JetPack 6.1.")
endif()
message(STATUS "TensorRT ${TENSORRT_VERSION}: ${TENSORRT_INCLUDE_DIR}")

add_library(segpp_tensorrt_headers INTERFACE)
add_library(segpp::tensorrt_headers ALIAS segpp_tensorrt_headers)
# As system headers: their warnings are not ours.
target_include_directories(segpp_tensorrt_headers SYSTEM INTERFACE "${TENSORRT_INCLUDE_DIR}")

# Registration on load calls TensorRT; the other way TensorRT only calls us.
function(require_tensorrt_library target)
  find_library(TENSORRT_LIBRARY nvinfer
    HINTS ENV TENSORRT_ROOT "${TENSORRT_INCLUDE_DIR}/../lib"
    PATHS /usr/local/tensorrt /opt/tensorrt
    PATH_SUFFIXES lib
    DOC "libnvinfer.so")
  if(NOT TENSORRT_LIBRARY)
    message(FATAL_ERROR
      "SEGPP_REGISTER_ON_LOAD links libnvinfer.so, which was not found.\n"
      "Say where it is: -DTENSORRT_LIBRARY=/path/to/libnvinfer.so")
  endif()
  target_link_libraries(${target} PRIVATE "${TENSORRT_LIBRARY}")
endfunction()
