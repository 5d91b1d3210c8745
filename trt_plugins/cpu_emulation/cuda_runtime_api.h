//! The types and calls that need no kernel, for sources without device code.
#pragma once

#include "support/api.h"
