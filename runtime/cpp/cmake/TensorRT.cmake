# segpp_tensorrt: TensorRT and CUDA's runtime, of JetPack or of a workstation.

# The headers are found as for the plugins, of which this is a sibling.
include("${CMAKE_CURRENT_LIST_DIR}/../../../trt_plugins/cmake/TensorRTHeaders.cmake")

set(SEGPP_CUDA_ROOT "/usr/local/cuda" CACHE PATH "The folder of CUDA's include and lib64")
find_path(CUDA_INCLUDE_DIR cuda_runtime_api.h
  HINTS "${SEGPP_CUDA_ROOT}" PATH_SUFFIXES include
  DOC "The folder of cuda_runtime_api.h")
find_library(CUDA_RUNTIME_LIBRARY NAMES cudart libcudart.so.13 libcudart.so.12
  HINTS "${SEGPP_CUDA_ROOT}" PATH_SUFFIXES lib64 lib
  DOC "libcudart.so")
find_library(TENSORRT_LIBRARY NAMES nvinfer libnvinfer.so.11 libnvinfer.so.10
  HINTS ENV TENSORRT_ROOT "${TENSORRT_INCLUDE_DIR}/../lib"
  PATHS /usr/local/tensorrt /opt/tensorrt PATH_SUFFIXES lib
  DOC "libnvinfer.so")
foreach(part CUDA_INCLUDE_DIR CUDA_RUNTIME_LIBRARY TENSORRT_LIBRARY)
  if(NOT ${part})
    message(FATAL_ERROR
      "${part} was not found.\n"
      "On JetPack: sudo apt install libnvinfer-dev cuda-cudart-dev-12-6. Elsewhere say where it "
      "is: -D${part}=/path")
  endif()
endforeach()

add_library(segpp_tensorrt INTERFACE)
target_include_directories(segpp_tensorrt SYSTEM INTERFACE "${CUDA_INCLUDE_DIR}")
target_link_libraries(segpp_tensorrt
  INTERFACE segpp::tensorrt_headers "${TENSORRT_LIBRARY}" "${CUDA_RUNTIME_LIBRARY}")
