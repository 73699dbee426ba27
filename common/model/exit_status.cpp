#include "common/model/exit_status.h"

#include <fmt/format.h>
#include <sys/wait.h>

#include "common/model/signal_name.h"

namespace pmx {

ExitStatus ExitStatus::from_wait(std::optional<int> wait_status) noexcept {
  if (!wait_status) return {};
  const int status = *wait_status;
  if (WIFEXITED(status)) return {Kind::exited, WEXITSTATUS(status), false};
  if (WIFSIGNALED(status)) return {Kind::signalled, WTERMSIG(status), WCOREDUMP(status) != 0};
  return {};
}

std::string ExitStatus::describe() const {
  switch (kind) {
    case Kind::exited:
      return fmt::format("exit code {}", value);
    case Kind::signalled:
      return fmt::format("signal {}{}", signal_name(value), core_dumped ? " (core dumped)" : "");
    case Kind::unknown:
      break;
  }
  return "unknown end";
}

}  // namespace pmx
