// How one run of a process ended, as a value.
#pragma once

#include <optional>
#include <string>

namespace pmx {

struct ExitStatus {
  enum class Kind {
    exited,     // value = exit code, 0..255
    signalled,  // value = signal number
    unknown,    // ended, but nobody could learn how (reported as such, never as 0)
  };
  Kind kind = Kind::unknown;
  int value = 0;
  bool core_dumped = false;

  // From the status word of wait(2); `std::nullopt` becomes Kind::unknown.
  static ExitStatus from_wait(std::optional<int> wait_status) noexcept;

  [[nodiscard]] bool success() const noexcept { return kind == Kind::exited && value == 0; }
  // "exit code 3", "signal SIGKILL", "signal SIGSEGV (core dumped)", "unknown end".
  [[nodiscard]] std::string describe() const;

  friend bool operator==(const ExitStatus&, const ExitStatus&) = default;
};

}  // namespace pmx
