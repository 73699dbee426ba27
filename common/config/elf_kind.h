// Whether a program can load a preload library.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

namespace pmx {

enum class ProgramKind {
  loads_libraries,  // dynamically linked, of this machine's word size
  is_static,
  is_go,             // makes its system calls itself, whatever it is linked with
  is_other_class,    // 32 bits on a machine of 64
  gains_privileges,  // by a set-user-ID or set-group-ID bit or file capabilities
  unknown,           // anything else, and what cannot be read
};

// Of a script (#!) its interpreter's; what env(1) will run is not looked up, so that counts as itself.
// `uid`: who is going to run it. Sources: elf(5), execve(2), "secure-execution mode" in ld.so(8).
ProgramKind program_kind(const std::string& path, uid_t uid);

// Whether libpmx-listen.so can hear what it binds.
inline bool can_preload(ProgramKind kind) noexcept { return kind == ProgramKind::loads_libraries; }
// Whether the daemon can answer its bind() in the kernel's place.
inline bool can_watch_binds(ProgramKind kind) noexcept {
  return kind != ProgramKind::gains_privileges && kind != ProgramKind::is_other_class;
}

// "is statically linked": why it cannot.
std::string_view why_no_preload(ProgramKind kind) noexcept;

}  // namespace pmx
