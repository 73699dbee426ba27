// The terminal's description, and what gives the terminal back when the process ends by a fault.
#pragma once

#include <termios.h>

#include <optional>

namespace pmx::cli::monit {

// Looks the terminal (TERM) up in the system's descriptions. One that they do not know is most likely
// made after xterm, whose description we have with us: a static program may run where there are none
// at all. Throws Error for a terminal that cannot place its cursor.
void choose_description();

using Modes = std::optional<termios>;
Modes present_modes();

// From now on SIGSEGV, SIGABRT and their like give the terminal back before they end the process.
// After choose_description().
void arm_rescue(const Modes& modes);
void disarm_rescue();

}  // namespace pmx::cli::monit
