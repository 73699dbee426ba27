// pmx logs: history, then what is added.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <cstdio>
#include <utility>

#include "cli/commands/commands.h"
#include "cli/commands/log_follower.h"

namespace pmx::cli {
namespace {

constexpr int kDefaultLines = 15;

struct LogOptions {
  bool raw = false;
  bool json = false;
  bool logfmt = false;
  bool nostream = false;
  bool ignore_case = false;
  bool invert = false;
  bool only_out = false;
  bool only_err = false;
  std::optional<int> lines;
  std::optional<std::string> highlight, since, until, pattern;

  void declare(Arguments& arguments, LogWish& wish, LogViewOptions& view);
  // Throws UsageError, or Error(invalid_request) for a pattern.
  void apply(LogWish& wish, LogViewOptions& view) const;
};

// For `--timestamp FORMAT TARGET` and `--timestamp TARGET`: nothing but letters of dates in it.
bool is_date_format(std::string_view word) {
  constexpr std::string_view kLetters = "YMDHhmsSAaZXxT";
  const bool is_plain = std::ranges::all_of(word, [&](char c) {
    return std::isalpha(static_cast<unsigned char>(c)) == 0 ||
           kLetters.find(c) != std::string_view::npos;
  });
  const auto has = [word](std::string_view token) { return word.find(token) != word.npos; };
  return (is_plain || has("[")) && (has("YY") || has("HH") || has("hh") || has("mm") || has("DD"));
}

std::optional<LogTime> time_option(const char* option, const std::optional<std::string>& text) {
  if (!text) return std::nullopt;
  const auto time = parse_log_time(*text, std::chrono::system_clock::now());
  if (time) return time;
  throw UsageError(fmt::format("{} {}: not a time", option, *text),
                   "10m, 2h or 1d ago, 2026-11-28, \"2026-11-28 03:04:05\", 03:04");
}

void LogOptions::declare(Arguments& arguments, LogWish& wish, LogViewOptions& view) {
  arguments.words("target", wish.targets, 0, Arguments::kAny);
  arguments.number("--lines", lines, "N", "lines of history per file (15); 0: new ones only");
  arguments.flag("--nostream", nostream, "history only, then end");
  arguments.flag("--raw", raw, "bare lines, those of error logs to stderr");
  arguments.flag("--err", only_err, "error logs only");
  arguments.flag("--out", only_out, "out logs only");
  arguments.flag_with_text("--timestamp", view.timestamp, "YYYY-MM-DD-HH:mm:ss",
                           "arrival time before each line; also --timestamp FORMAT",
                           is_date_format);
  arguments.text("--highlight", highlight, "TEXT", "mark this text");
  arguments.flag("--json", json, "an object for each line, and for what processes do");
  arguments.flag("--format", logfmt, "timestamp=... app=... id=... type=... message=...");
  arguments.text("--since", since, "TIME",
                 "written since then: 10m, 2h, 1d ago, 2026-11-28, \"2026-11-28 03:04:05\", 03:04");
  arguments.text("--until", until, "TIME", "written until then");
  arguments.text("--grep", pattern, "REGEX", "lines in which this is found (as grep -E)");
  arguments.flag("-i,--ignore-case", ignore_case, "with --grep: capitals or not");
  arguments.flag("--invert", invert, "with --grep: lines in which it is not found");
}

void show_events(const Context& context, LogView& view, const protocol::Logs::Events& news) {
  if (news.missed > 0)
    context.output.warn(fmt::format("{} process events came too fast to be told", news.missed));
  std::vector<LogEvent> events;
  for (const protocol::Logs::Event& event : news.events) {
    events.push_back(
        {event.pm_id, event.name, event.event, LogTime(std::chrono::milliseconds(event.at))});
  }
  view.show_events(events);
}

void LogOptions::apply(LogWish& wish, LogViewOptions& view) const {
  if (lines && *lines < 0) throw UsageError("--lines needs a number from 0 on");
  if ((ignore_case || invert) && !pattern)
    throw UsageError(ignore_case ? "--ignore-case needs --grep" : "--invert needs --grep");
  wish.out = !only_err || only_out;
  wish.err = !only_out || only_err;
  view.lines = static_cast<std::size_t>(lines.value_or(kDefaultLines));
  // A time says how much is wanted.
  if (since && !lines) view.lines.reset();
  view.highlight = highlight.value_or("");
  view.filter.since = time_option("--since", since);
  view.filter.until = wish.until = time_option("--until", until);
  if (since && until && *view.filter.since > *view.filter.until)
    throw UsageError("--since is later than --until");
  if (pattern) view.filter.set_pattern(*pattern, ignore_case, invert);
  if (raw) view.format = LogFormat::raw;
  if (logfmt) view.format = LogFormat::logfmt;
  if (json) view.format = LogFormat::json;
  wish.events = json && wish.out && wish.err;
}

}  // namespace

int run_logs(Context& context, Arguments& arguments) {
  LogWish wish;
  LogViewOptions view_options;
  LogOptions options;
  options.declare(arguments, wish, view_options);
  context.parse(arguments);
  context.output.stream();
  options.apply(wish, view_options);
  view_options.colour = context.output.colours();
  wish.daemon_log = context.paths().log();
  const bool follows =
      !options.nostream && (!wish.until || *wish.until > std::chrono::system_clock::now());

  LogFollower follower(context, std::move(wish), follows);
  LogView view(view_options, stdout, stderr);
  view.set_files(follower.files());
  view.print_history();
  std::fflush(stdout);
  if (!follows) return 0;
  follower.run(&view, {.on_events = [&](const protocol::Logs::Events& news) {
    show_events(context, view, news);
  }});
  return 0;
}

}  // namespace pmx::cli
