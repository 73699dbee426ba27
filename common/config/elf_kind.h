// Whether a program can load a preload library.
#pragma once

#include <string>

namespace pmx {

// True for a dynamically linked ELF program of this machine's word size, and for a script that names
// an interpreter (#!): what that is, is found out when it runs. False for static programs, others,
// and what cannot be read. Source: elf(5).
bool can_preload(const std::string& path);

}  // namespace pmx
