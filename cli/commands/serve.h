// The program that serves static files.
#pragma once

#include <string>

namespace pmx::cli {

// Path of pmx-serve, beside this program.
std::string serve_program();

}  // namespace pmx::cli
