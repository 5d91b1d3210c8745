# segpp::cuda: the CPU emulation, in place of the toolkit; the same .cu files as C++.

# -O2 is what the kernels' own tests compile with.
set_source_files_properties(${kernels} PROPERTIES LANGUAGE CXX COMPILE_OPTIONS "-O2;-x;c++")
add_library(segpp_cuda INTERFACE)
add_library(segpp::cuda ALIAS segpp_cuda)
target_include_directories(segpp_cuda INTERFACE cpu_emulation)
# A fused multiply-add is one only where a kernel says so, and a kernel reads a row by whatever type
# is wide enough, as CUDA's compiler lets it.
target_compile_options(
  segpp_cuda INTERFACE -ffp-contract=off -fno-strict-aliasing -Wno-unknown-pragmas)
