#include "cli/render/list_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <tuple>

#include "cli/render/cells.h"
#include "cli/render/table.h"
#include "cli/render/text_width.h"

namespace pmx::cli {
namespace {

constexpr std::size_t kMaxName = 40;
constexpr std::size_t kLeastName = 20;
constexpr std::size_t kLeastStatus = 9;  // "launching", "waiting …"
constexpr const char* kRestarts = "↺";

std::string version_text(const InstanceStatus& status) {
  return status.version.empty() ? "N/A" : status.version;
}

Cell id_cell(const InstanceStatus& status) {
  return {fmt::format("{}", status.pm_id), Colour::cyan};
}

Table full_layout(const std::vector<InstanceStatus>& instances, WallMillis now) {
  Table table({{"id"},
               {.title = "name", .max_width = kMaxName, .least = kLeastName},
               {.title = "namespace", .max_width = 20},
               {.title = "version", .max_width = 16},
               {"mode"},
               {"pid"},
               {"uptime"},
               {kRestarts},
               {.title = "status", .least = kLeastStatus},
               {"cpu"},
               {"mem"},
               {.title = "user", .max_width = 16},
               {"watching"}});
  for (const InstanceStatus& one : instances) {
    table.add({id_cell(one),
               {one.name},
               {one.name_space},
               {version_text(one)},
               {std::string(to_string(one.exec_mode))},
               pid_cell(one),
               uptime_cell(one, now),
               {fmt::format("{}", one.restarts)},
               state_cell(one),
               {cpu_text(one.cpu_percent)},
               {memory_text(one.memory_bytes)},
               {one.user},
               one.watching ? Cell{"enabled", Colour::green} : Cell{"disabled", Colour::grey}});
  }
  return table;
}

Table condensed_layout(const std::vector<InstanceStatus>& instances) {
  Table table({{"id"},
               {.title = "name", .max_width = kMaxName, .least = kLeastName},
               {"mode"},
               {kRestarts},
               {.title = "status", .least = kLeastStatus},
               {"cpu"},
               {"memory"}});
  for (const InstanceStatus& one : instances) {
    table.add({id_cell(one),
               {one.name},
               {std::string(to_string(one.exec_mode))},
               {fmt::format("{}", one.restarts)},
               state_cell(one),
               {cpu_text(one.cpu_percent)},
               {memory_text(one.memory_bytes)}});
  }
  return table;
}

Table mini_layout(const std::vector<InstanceStatus>& instances) {
  Table table({{"id"},
               {.title = "name", .max_width = kMaxName, .least = kLeastName},
               {.title = "status", .least = kLeastStatus},
               {"cpu"},
               {"mem"}});
  for (const InstanceStatus& one : instances) {
    table.add({id_cell(one),
               {one.name},
               state_cell(one),
               {cpu_text(one.cpu_percent)},
               {memory_text(one.memory_bytes)}});
  }
  return table;
}

}  // namespace

std::string list_table(const std::vector<InstanceStatus>& instances, const ListStyle& style) {
  const Table full = full_layout(instances, style.now);
  if (!style.width || full.fits(*style.width)) {
    return full.render(style.width, style.colours);
  }
  const Table condensed = condensed_layout(instances);
  if (condensed.fits(*style.width)) {
    return condensed.render(style.width, style.colours);
  }
  return mini_layout(instances).render(style.width, style.colours);
}

std::string mini_list(const std::vector<InstanceStatus>& instances, const ListStyle& style) {
  std::string out;
  for (const InstanceStatus& one : instances) {
    const auto line = [&](std::string_view key, std::string_view value) {
      fmt::format_to(std::back_inserter(out), "{} : {}\n", key, value);
    };
    fmt::format_to(std::back_inserter(out), "+--- {}\n", printable(one.name));
    line("namespace", printable(one.name_space));
    line("version", printable(version_text(one)));
    line("pid", pid_cell(one).text);
    line("pmx id", fmt::format("{}", one.pm_id));
    line("status", to_string(one.state));
    line("mode", to_string(one.exec_mode));
    line("restarted", fmt::format("{}", one.restarts));
    line("uptime", uptime_cell(one, style.now).text);
    line("memory usage", memory_text(one.memory_bytes));
    if (one.detail) line("error log", printable(one.detail->error_path));
    line("watching", one.watching ? "yes" : "no");
    if (one.detail) line("PID file", printable(one.detail->pid_path));
    out += '\n';
  }
  return out;
}

bool sort_instances(std::vector<InstanceStatus>& instances, std::string_view order) {
  const std::size_t colon = order.find(':');
  const std::string_view field = order.substr(0, colon);
  const std::string_view direction =
      colon == std::string_view::npos ? std::string_view("asc") : order.substr(colon + 1);
  if (direction != "asc" && direction != "desc") return false;

  const auto sort_by = [&](auto key) {
    std::sort(instances.begin(), instances.end(),
              [&](const InstanceStatus& a, const InstanceStatus& b) {
                const auto first = key(a);
                const auto second = key(b);
                if (first != second) return direction == "desc" ? second < first : first < second;
                return a.pm_id < b.pm_id;
              });
    return true;
  };
  if (field == "name") return sort_by([](const auto& one) { return std::string_view(one.name); });
  if (field == "namespace") {
    return sort_by([](const auto& one) { return std::tie(one.name_space, one.name); });
  }
  if (field == "pid") return sort_by([](const auto& one) { return one.pid; });
  if (field == "id") return sort_by([](const auto& one) { return one.pm_id; });
  if (field == "cpu") return sort_by([](const auto& one) { return one.cpu_percent; });
  if (field == "memory" || field == "mem") {
    return sort_by([](const auto& one) { return one.memory_bytes; });
  }
  if (field == "restarts") return sort_by([](const auto& one) { return one.restarts; });
  // A longer uptime is an earlier start.
  if (field == "uptime") return sort_by([](const auto& one) { return -one.started_at; });
  if (field == "status") return sort_by([](const auto& one) { return to_string(one.state); });
  return false;
}

}  // namespace pmx::cli
