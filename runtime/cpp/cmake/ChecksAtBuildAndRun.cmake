# segpp_checks: how our own sources are compiled.

add_library(segpp_checks INTERFACE)
target_compile_options(segpp_checks INTERFACE
  # A fused multiply-add rounds once where Python rounds twice, and GCC fuses them on ARM unasked.
  -ffp-contract=off -Wall -Wextra -Wpedantic -Wconversion -Wshadow
  # What GCC 10 changed on ARM concerns nobody who compiles all of this with one compiler.
  -Wno-psabi
  $<$<BOOL:${SEGPP_WARNINGS_AS_ERRORS}>:-Werror>)
if(SEGPP_SANITIZE)
  set(sanitizers -fsanitize=address,undefined)
  target_compile_options(segpp_checks INTERFACE
    ${sanitizers} -fno-sanitize-recover=all -fno-omit-frame-pointer -g)
  target_link_options(segpp_checks INTERFACE ${sanitizers})
endif()
