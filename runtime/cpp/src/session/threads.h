//! How many CPU threads make sense; as src/segpp/utils/limits.py has it.
#pragma once

namespace segpp
{

//! Throw InputError for a number of threads that makes no sense on this machine; 0 is the library's
//! own choice.
void checkThreads(int threads);

} // namespace segpp
