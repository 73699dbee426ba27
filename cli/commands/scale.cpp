// pmx scale NAME N | +N | -N | max.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <charconv>

#include "cli/commands/commands.h"
#include "common/config/cpu_count.h"
#include "common/model/door.h"

namespace pmx::cli {
namespace {

protocol::Scale::Request parse_scale(const std::string& name, const std::string& count) {
  protocol::Scale::Request request;
  request.name = name;
  if (count == "max") {
    request.count = usable_cores();
    return request;
  }
  request.relative = !count.empty() && (count[0] == '+' || count[0] == '-');
  std::string_view digits = count;
  if (!count.empty() && count[0] == '+') digits.remove_prefix(1);
  const char* end = digits.data() + digits.size();
  const auto parsed = std::from_chars(digits.data(), end, request.count);
  const bool doubled_sign = count.size() > 1 && count[0] == '+' && count[1] == '-';
  if (parsed.ec != std::errc{} || parsed.ptr != end || doubled_sign) {
    throw Error(ErrorCode::invalid_request,
                fmt::format("\"{}\" is not a number of instances", count),
                "4 (so many in all), +2 (two more), -1 (one fewer) or max (one per usable core)");
  }
  return request;
}

// In fork mode more instances of a server are more that want its port.
void warn_of_copies(Context& context, const std::string& name) {
  const std::vector<InstanceStatus> instances = context.find(name, true);
  if (instances.empty() || !instances.front().detail) return;
  const AppSpec& spec = instances.front().detail->spec;
  if (instances.size() < 2 || shares_sockets(spec) || !spec.increment_var.empty()) return;
  context.output.remark(
      fmt::format("{} is not in cluster mode: its {} instances are copies that share no port; "
                  "started with -i they do",
                  name, instances.size()));
}

}  // namespace

int run_scale(Context& context, Arguments& arguments) {
  std::vector<std::string> words;
  arguments.words("name and number", words, 2, 2);
  arguments.allow_negative_words();
  context.parse(arguments);
  const auto request = parse_scale(words[0], words[1]);
  const auto scaled = context.daemon().call<protocol::Scale>(request);
  context.output.data("added", fmt::format("[{}]", fmt::join(scaled.added, ",")));
  context.output.data("removed", fmt::format("[{}]", fmt::join(scaled.removed, ",")));
  if (!scaled.added.empty()) {
    context.output.info(
        fmt::format("[{}] added: ids {}", request.name, fmt::join(scaled.added, ", ")));
  }
  if (!scaled.removed.empty()) {
    context.output.info(
        fmt::format("[{}] removed: ids {}", request.name, fmt::join(scaled.removed, ", ")));
  }
  if (!scaled.added.empty()) warn_of_copies(context, request.name);
  context.show_list();
  return 0;
}

}  // namespace pmx::cli
