#include "cli/monit/terminal_rescue.h"

#include <curses.h>
#include <fmt/format.h>
#include <term.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "cli/monit/terminal_entry.h"
#include "common/base/error.h"

namespace pmx::cli::monit {
namespace {

constexpr std::array kFaults = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};

// A handler of such signals may call next to nothing: everything is ready before.
struct Rescue {
  std::array<char, 256> text{};
  std::size_t size = 0;
  Modes modes;
};
Rescue rescue;

void append(std::string_view text) {
  for (const char c : text) {
    if (rescue.size < rescue.text.size()) rescue.text[rescue.size++] = c;
  }
}

// Empty if the terminal does not have it.
std::string_view capability(const char* name) {
  const char* text = ::tigetstr(name);
  // -1 stands for a name that is not one of a text.
  if (text == nullptr || reinterpret_cast<std::intptr_t>(text) == -1) return {};
  return text;
}

extern "C" void give_back_and_die(int number) {
  // Whether it can be written or not, the end comes next.
  [[maybe_unused]] const auto written = ::write(STDOUT_FILENO, rescue.text.data(), rescue.size);
  if (rescue.modes) ::tcsetattr(STDIN_FILENO, TCSANOW, &*rescue.modes);
  std::signal(number, SIG_DFL);
  std::raise(number);
}

}  // namespace

void choose_description() {
  const char* given = std::getenv("TERM");
  const std::string name = given == nullptr ? "" : given;
  if (name.empty())
    throw Error(ErrorCode::invalid_request, "monit does not know what kind of terminal this is",
                "set TERM, e.g. to xterm-256color");
  int found = 0;
  ::setupterm(name.c_str(), STDOUT_FILENO, &found);
  if (found != 1) {
    ::setenv("TERMINFO", kXtermEntry, 1);
    ::setenv("TERM", "xterm-256color", 1);
    ::setupterm("xterm-256color", STDOUT_FILENO, &found);
  }
  const bool can_place = found == 1 && !capability("cup").empty();
  if (found == 1) ::del_curterm(::cur_term);  // ncurses looks it up again, for itself
  if (!can_place)
    throw Error(ErrorCode::invalid_request,
                fmt::format("a terminal of type \"{}\" cannot place its cursor", name),
                "pmx list and pmx list --watch need no more than lines");
}

Modes present_modes() {
  termios modes{};
  if (::tcgetattr(STDIN_FILENO, &modes) != 0) return std::nullopt;
  return modes;
}

void arm_rescue(const Modes& modes) {
  rescue = {};
  rescue.modes = modes;
  append("\x1b[?1000l\x1b[?1006l");  // no reports of the mouse
  for (const char* name : {"sgr0", "cnorm", "rmkx", "rmcup"}) append(capability(name));
  for (const int number : kFaults) std::signal(number, give_back_and_die);
}

void disarm_rescue() {
  for (const int number : kFaults) std::signal(number, SIG_DFL);
}

}  // namespace pmx::cli::monit
