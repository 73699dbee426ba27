// pmx events: what becomes of processes and what apps send on their channels, as it happens. With
// --json a line is what pm2's event bus gives, under the name "type":
//   process:event  {at, event, manually, reason, process}   process: as pm2_env in jlist, no env
//   process:msg    {at, raw, process}                       process: {pm_id, name, namespace}
//   TYPE           {at, data, process}                      of a message {type: TYPE, data}
//   log:out log:err log:PM2  {at, data, process}            with --logs
//   pm2:kill       {at}                                     the daemon is about to end
// and what a bus must say about itself: bus:ready (first, and when the daemon is there again),
// bus:lost (it is gone: what happens until bus:ready is not told), bus:missed {count, reason}.
#include <fmt/format.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <utility>

#include "cli/commands/commands.h"
#include "cli/commands/log_follower.h"
#include "cli/render/jlist.h"
#include "cli/render/text_width.h"
#include "common/base/date_pattern.h"
#include "common/protocol/framing.h"

namespace pmx::cli {
namespace {

using Json = nlohmann::ordered_json;
using Event = protocol::Logs::Event;

constexpr std::string_view kClock = "HH:mm:ss.SSS";
constexpr int kMaxDepth = 256;  // of a message that is looked into

std::string text_of(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void say(std::string_view line) {
  std::fwrite(line.data(), 1, line.size(), stdout);
  std::fputc('\n', stdout);
}

struct Message {
  std::string type;  // empty: not {type, data}
  std::string data;
};

Message parts_of(const std::string& raw) {
  if (protocol::nesting_depth(raw) > kMaxDepth) return {};
  const Json message = Json::parse(raw, nullptr, false);
  if (!message.is_object()) return {};
  const auto type = message.find("type");
  const auto data = message.find("data");
  // As pm2: a value that counts as false is none.
  const bool has_both = type != message.end() && type->is_string() && !type->empty() &&
                        data != message.end() && !data->is_null() && *data != Json(false) &&
                        *data != Json(0) && *data != Json("");
  if (!has_both || type->get<std::string>().empty()) return {};
  return {type->get<std::string>(), text_of(*data)};
}

class EventPrinter {
 public:
  explicit EventPrinter(bool as_json) : as_json_(as_json) {}

  void note(std::string_view type) const {
    if (as_json_) {
      say(text_of({{"type", type}}));
    } else if (type == "bus:lost") {
      say("-- the daemon is gone; what happens until it is back is not told");
    } else if (was_lost_) {
      say("-- the daemon is back");
    }
    std::fflush(stdout);
  }
  void lost() {
    note("bus:lost");
    was_lost_ = true;
  }

  void print(const protocol::Logs::Events& news) const {
    if (news.missed > 0) missed(news.missed, "they came faster than they were read");
    for (const Event& event : news.events) {
      if (event.event == "message") {
        message(event);
      } else {
        happened(event);
      }
    }
    std::fflush(stdout);
  }

 private:
  void missed(std::uint64_t count, const std::string& why) const {
    if (as_json_) {
      say(text_of({{"type", "bus:missed"}, {"count", count}, {"reason", why}}));
    } else {
      say(printable(fmt::format("-- {} missed: {}", count, why)));
    }
  }

  static std::string head(const Event& event) {
    const LogTime at{std::chrono::milliseconds(event.at)};
    return fmt::format("{} {}|{}", format_date(kClock, at), event.pm_id, event.name);
  }

  void message(const Event& event) const {
    if (event.message.empty()) return missed(1, fmt::format("{}: {}", event.name, event.reason));
    if (!as_json_) return say(printable(fmt::format("{} sent {}", head(event), event.message)));
    const Message parts = parts_of(event.message);
    const Json process{
        {"pm_id", event.pm_id}, {"name", event.name}, {"namespace", event.name_space}};
    say(fmt::format(R"({{"type":{},"at":{},"process":{},"{}":{}}})",
                    text_of(parts.type.empty() ? "process:msg" : parts.type), event.at,
                    text_of(process), parts.type.empty() ? "raw" : "data",
                    parts.type.empty() ? event.message : parts.data));
  }

  void happened(const Event& event) const {
    const bool is_daemon = event.pm_id < 0;
    if (!as_json_) {
      if (is_daemon) return say("-- the daemon is being stopped, with its apps");
      return say(printable(fmt::format("{} {}{}{}", head(event), event.event,
                                       event.reason.empty() ? "" : ": ", event.reason)));
    }
    if (is_daemon) return say(text_of({{"type", "pm2:kill"}, {"at", event.at}}));
    const std::string process = event.instance
                                    ? pm2_env_json(*event.instance)
                                    : text_of({{"pm_id", event.pm_id}, {"name", event.name}});
    say(fmt::format(
        R"({{"type":"process:event","at":{},"event":{},"manually":{},"reason":{},"process":{}}})",
        event.at, text_of(event.event), event.by_operator, text_of(event.reason), process));
  }

  bool as_json_;
  bool was_lost_ = false;
};

}  // namespace

int run_events(Context& context, Arguments& arguments) {
  LogWish wish;
  bool json = false;
  bool logs = false;
  arguments.words("target", wish.targets, 0, Arguments::kAny);
  arguments.flag("--json", json, "an object for each, as on pm2's event bus");
  arguments.flag("--logs", logs, "also each line that goes to a log");
  context.parse(arguments);
  context.output.stream();
  wish.events = wish.messages = true;
  wish.daemon_log = context.paths().log();

  LogFollower follower(context, std::move(wish), true);
  LogViewOptions options;
  options.lines = 0;
  options.format = json ? LogFormat::bus : LogFormat::text;
  options.colour = context.output.colours();
  LogView view(options, stdout, stderr);
  if (logs) view.set_files(follower.files());
  EventPrinter printer(json);
  printer.note("bus:ready");
  follower.run(logs ? &view : nullptr,
               {.on_events = [&](const protocol::Logs::Events& news) { printer.print(news); },
                .on_lost = [&] { printer.lost(); },
                .on_again = [&] { printer.note("bus:ready"); }});
  return 0;
}

}  // namespace pmx::cli
