# segpp::cuda: the execution model, in place of the toolkit; the same .cu files as C++.

set_source_files_properties(${kernels} PROPERTIES LANGUAGE CXX COMPILE_OPTIONS "-x;c++")
add_library(segpp_cuda INTERFACE)
add_library(segpp::cuda ALIAS segpp_cuda)
target_include_directories(segpp_cuda INTERFACE execution_model)
# A fused multiply-add is one only where a kernel says so.
target_compile_options(segpp_cuda INTERFACE -ffp-contract=off -Wno-unknown-pragmas)
