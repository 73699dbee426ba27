// pmx trigger TARGET ACTION [PARAM]: runs an action that an app offers over its message channel.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli/commands/commands.h"
#include "cli/commands/targets.h"
#include "common/config/words.h"

namespace pmx::cli {
namespace {

constexpr std::string_view kDefaultTimeout = "30s";

}  // namespace

int run_trigger(Context& context, Arguments& arguments) {
  std::vector<std::string> words;
  std::optional<std::string> timeout_text;
  arguments.text("--timeout", timeout_text, "TIME", "wait so long for the answers (30s)");
  arguments.words("target, action and parameter", words, 2, 3);
  context.parse(arguments);
  const auto timeout = parse_duration(timeout_text.value_or(std::string(kDefaultTimeout)));
  if (!timeout || *timeout <= Millis{0})
    throw UsageError(fmt::format("--timeout: \"{}\" is no duration", *timeout_text),
                     "e.g. 500ms, 30s or 5m, at most 1h");
  protocol::Trigger::Request request{words[0], words[1], std::nullopt, *timeout};
  if (words.size() > 2) request.param = words[2];
  const auto response = context.daemon().call<protocol::Trigger>(request);
  if (context.global.json) {
    nlohmann::json answers = response.answers;
    for (nlohmann::json& one : answers) {
      const auto found = one.find("json");
      if (found != one.end()) *found = nlohmann::json::parse(found->get<std::string>());
    }
    context.output.data("answers", answers.dump());
  }
  bool all_answered = true;
  for (const protocol::Trigger::Answer& one : response.answers) {
    if (one.error.empty()) {
      context.output.payload(
          fmt::format("[{}:{}:{}]={}\n", one.name, one.pm_id, one.name_space, one.json));
    } else {
      context.output.error(
          fmt::format("[{}:{}:{}] {}", one.name, one.pm_id, one.name_space, one.error));
      all_answered = false;
    }
  }
  return all_answered ? 0 : 1;
}

}  // namespace pmx::cli
