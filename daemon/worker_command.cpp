#include "daemon/worker_command.h"

#include <fmt/format.h>
#include <unistd.h>

#include <charconv>
#include <cstddef>
#include <optional>

#include "common/config/launch.h"
#include "common/model/door.h"

namespace pmx {
namespace {

// The inspector's port of instance `number`, as Node's own primary counts: without it all but the
// first fail to open theirs. nullopt: no inspector is asked for.
std::optional<int> inspector_port(const AppSpec& spec, int number) {
  constexpr int kDefault = 9229;
  std::optional<int> port;
  for (const std::string& word : spec.interpreter_args) {
    if (!word.starts_with("--inspect")) continue;
    port = kDefault;
    // --inspect-brk=127.0.0.1:9300, --inspect=9300, --inspect
    if (const std::size_t at = word.find_last_of("=:"); at != std::string::npos)
      std::from_chars(word.data() + at + 1, word.data() + word.size(), *port);
  }
  // 0: any free one.
  return port && *port != 0 ? std::optional(*port + number) : std::nullopt;
}

}  // namespace

std::pair<std::string, std::vector<std::string>> command_of_worker(
    const AppSpec& spec, int number, const std::string& drain_script) {
  auto command = command_of(spec);
  if (door_of(spec) != Door::node) return command;
  std::vector<std::string> own;
  const auto wish = spec.env.find("PMX_DRAIN");
  const bool drains = wish == spec.env.end() || wish->second != "off";
  if (drains && !drain_script.empty()) own = {"--require", drain_script};
  const auto first = command.second.begin() + 1;
  const auto last = first + static_cast<std::ptrdiff_t>(spec.interpreter_args.size());
  if (const auto port = inspector_port(spec, number))
    command.second.insert(last, fmt::format("--inspect-port={}", *port));
  command.second.insert(command.second.begin() + 1, own.begin(), own.end());
  return command;
}

std::string find_preload_library(const std::string& own_directory) {
  std::string path = own_directory + "/libpmx-listen.so";
  return ::access(path.c_str(), R_OK) == 0 ? path : std::string();
}

}  // namespace pmx
