# For a board from another machine: Debian's cross compiler, nvcc of this machine, CUDA's libraries
# of the board's kind (aarch64, as servers' of it since CUDA 13) in CUDA_BOARD_LIBRARIES.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_CUDA_HOST_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE BOTH)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)

# CMake tries compilers in projects of their own, which know of no other variable.
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES CUDA_BOARD_LIBRARIES)
if(NOT EXISTS "${CUDA_BOARD_LIBRARIES}/libcudart_static.a")
  message(FATAL_ERROR
    "CUDA's libraries for aarch64 were not found (libcudart_static.a, looked in "
    "'${CUDA_BOARD_LIBRARIES}').\n"
    "Say where they are: -DCUDA_BOARD_LIBRARIES=/path/to/nvidia/cu13/lib of the wheel of "
    "nvidia-cuda-runtime for aarch64")
endif()
string(APPEND CMAKE_CUDA_FLAGS_INIT " -L${CUDA_BOARD_LIBRARIES}")
