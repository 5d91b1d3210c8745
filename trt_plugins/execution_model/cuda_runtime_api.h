//! The types and calls that need no kernel, for sources without device code.
#pragma once

#include "model/api.h"
