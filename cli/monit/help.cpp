#include "cli/monit/help.h"

#include <array>

namespace pmx::cli::monit {

std::span<const HelpLine> help_lines() {
  static constexpr auto kLines = std::to_array<HelpLine>({
      {"up down, j k", "select an instance; scroll in the pane with the focus"},
      {"PgUp PgDn Home End", "a page; to the beginning, to the end (also g, G)"},
      {"left right, Tab", "to the next pane: list, logs, details, environment"},
      {"Enter", "from the list to the pane below, and back"},
      {"l, d, e", "logs, details, environment of the selected instance"},
      {"z", "the pane with the focus takes the whole screen, and back"},
      {"/", "filter by name, namespace, status, id; in the logs: search"},
      {"f, n, N", "search the logs; the next match upwards, downwards"},
      {"o, O", "next order of the list (or click on its head); reversed"},
      {"s", "stop; asks first"},
      {"r", "restart, or start; asks which, if there are several"},
      {"R", "reload the app: without a gap if it shares its ports"},
      {"+, -", "one instance more; one fewer (asks first)"},
      {"D, Delete", "stop and forget; asks first"},
      {"Esc", "ends search, scrolling, zoom, filter; then quits"},
      {"q, Ctrl-C", "quit; the apps run on"},
      {"Ctrl-L", "draw everything anew"},
      {"mouse", "click: select, focus, sort; wheel: scroll"},
      {"", "cpu, memory: of the whole process tree; 100% is one core"},
      {"!", "a line of the error log"},
      {"", "Any key leaves this help."},
  });
  return kLines;
}

std::span<const HelpLine> short_keys() {
  static constexpr auto kKeys = std::to_array<HelpLine>({
      {"?", "help"},
      {"q", "quit"},
      {"/", "filter"},
      {"f", "find"},
      {"o", "order"},
      {"s", "stop"},
      {"r", "restart"},
      {"R", "reload"},
      {"+-", "scale"},
      {"D", "delete"},
      {"z", "zoom"},
      {"l d e", "logs, details, environment"},
  });
  return kKeys;
}

}  // namespace pmx::cli::monit
