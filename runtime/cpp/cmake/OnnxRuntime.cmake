# segpp_onnxruntime: an unpacked release, a distribution's package, or a wheel beside headers.

set(SEGPP_ONNXRUNTIME_ROOT "" CACHE PATH "The folder of ONNX Runtime's include and lib")

find_path(ONNXRUNTIME_INCLUDE_DIR onnxruntime_cxx_api.h
  HINTS "${SEGPP_ONNXRUNTIME_ROOT}"
  PATH_SUFFIXES include include/onnxruntime include/onnxruntime/core/session
  DOC "The folder of onnxruntime_cxx_api.h")
find_library(ONNXRUNTIME_LIBRARY onnxruntime
  HINTS "${SEGPP_ONNXRUNTIME_ROOT}"
  PATH_SUFFIXES lib lib64
  DOC "libonnxruntime.so")
if(NOT ONNXRUNTIME_INCLUDE_DIR OR NOT ONNXRUNTIME_LIBRARY)
  set(tried "")
  if(SEGPP_ONNXRUNTIME_ROOT)
    set(tried " in SEGPP_ONNXRUNTIME_ROOT, which is '${SEGPP_ONNXRUNTIME_ROOT}', nor in the system")
  endif()
  message(FATAL_ERROR
    "ONNX Runtime was not found (headers: '${ONNXRUNTIME_INCLUDE_DIR}', library: "
    "'${ONNXRUNTIME_LIBRARY}')${tried}.\n"
    "Unpack a release of it, onnxruntime-linux-x64-VERSION.tgz or onnxruntime-linux-aarch64-"
    "VERSION.tgz of the project microsoft/onnxruntime, and say where: "
    "-DSEGPP_ONNXRUNTIME_ROOT=/path/to/onnxruntime, the folder of its include and lib. Or "
    "build for engines alone: -DSEGPP_ONNXRUNTIME=OFF -DSEGPP_TENSORRT=ON")
endif()

file(STRINGS "${ONNXRUNTIME_INCLUDE_DIR}/onnxruntime_c_api.h" version_line
  REGEX "define ORT_API_VERSION ")
string(REGEX MATCH "[0-9]+" ONNXRUNTIME_API "${version_line}")
if(ONNXRUNTIME_API LESS 18)
  message(FATAL_ERROR
    "ONNX Runtime 1.${ONNXRUNTIME_API} in ${ONNXRUNTIME_INCLUDE_DIR} is too old: files of segpp "
    "need 1.18.")
endif()
message(STATUS "ONNX Runtime 1.${ONNXRUNTIME_API}: ${ONNXRUNTIME_INCLUDE_DIR}")

add_library(segpp_onnxruntime INTERFACE)
# As system headers: their warnings are not ours.
target_include_directories(segpp_onnxruntime SYSTEM INTERFACE "${ONNXRUNTIME_INCLUDE_DIR}")
target_link_libraries(segpp_onnxruntime INTERFACE "${ONNXRUNTIME_LIBRARY}")
