// pmx sendSignal SIGNAME TARGET.
#include <fmt/format.h>

#include "cli/commands/commands.h"
#include "cli/commands/targets.h"
#include "common/model/signal_name.h"

namespace pmx::cli {

int run_send_signal(Context& context, Arguments& arguments) {
  std::vector<std::string> words;
  arguments.words("signal and target", words, 2, 2);
  context.parse(arguments);
  if (!signal_number(words[0])) {
    throw Error(ErrorCode::invalid_request, fmt::format("\"{}\" is not a signal's name", words[0]),
                "e.g. SIGUSR2, SIGHUP; numbers are not accepted");
  }
  act_on(context, fmt::format("Sending {} to", words[0]), words[1], [&](const std::string& one) {
    return context.daemon().call<protocol::Signal>({.target = one, .signal = words[0]});
  });
  return 0;
}

}  // namespace pmx::cli
