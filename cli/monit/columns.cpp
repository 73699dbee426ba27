#include "cli/monit/columns.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>

#include "cli/monit/sparkline.h"
#include "cli/render/cells.h"

namespace pmx::cli::monit {
namespace {

constexpr int kLeastName = 16;
constexpr int kWidestName = 40;
constexpr int kLeastLine = 8;
constexpr int kWidestLine = 30;
// What the least full block of a sparkline stands for.
constexpr double kLeastCpu = 10;                   // per cent
constexpr double kLeastMemory = 16 * 1024 * 1024;  // bytes

struct Wish {
  Column column;
  std::string_view title;
  std::string_view order;
  int width;
  bool right;
  int from;  // width of the list that it needs
};

// In the order of Column.
constexpr std::array<Wish, 12> kWishes = {{
    {Column::id, "id", "id", 4, true, 0},
    {Column::name, "name", "name", kLeastName, false, 0},
    {Column::name_space, "namespace", "namespace", 12, false, 125},
    {Column::mode, "mode", "", 7, false, 140},
    {Column::pid, "pid", "pid", 8, true, 100},
    {Column::uptime, "uptime", "uptime", 6, true, 0},
    {Column::restarts, "↺", "restarts:desc", 4, true, 0},
    {Column::state, "status", "status", 9, false, 0},
    {Column::cpu, "cpu", "cpu:desc", 6, true, 0},
    {Column::cpu_line, "", "cpu:desc", kLeastLine, false, 0},
    {Column::memory, "mem", "memory:desc", 8, true, 0},
    {Column::memory_line, "", "memory:desc", kLeastLine, false, 0},
}};

bool is_line(Column column) { return column == Column::cpu_line || column == Column::memory_line; }

}  // namespace

std::vector<PlacedColumn> columns_for(int width) {
  std::vector<PlacedColumn> columns;
  int used = 0;
  for (const Wish& wish : kWishes) {
    if (width < wish.from) continue;
    columns.push_back({wish.column, 0, wish.width, wish.right});
    used += wish.width + 1;
  }
  // A third of the room for each: the name and both lines.
  int left = std::max(width - used, 0);
  const int line = std::min(left / 3, kWidestLine - kLeastLine);
  const int name = std::min(left - 2 * line, kWidestName - kLeastName);
  left = 0;
  for (PlacedColumn& column : columns) {
    if (is_line(column.column)) column.width += line;
    if (column.column == Column::name) column.width += name;
    column.at = left;
    left += column.width + 1;
  }
  return columns;
}

std::string_view title_of(Column column) { return kWishes[static_cast<std::size_t>(column)].title; }

std::string_view order_of(Column column) { return kWishes[static_cast<std::size_t>(column)].order; }

Cell cell_of(const PlacedColumn& column, const InstanceStatus& one, const Usage& usage,
             WallMillis now) {
  const auto width = static_cast<std::size_t>(column.width);
  switch (column.column) {
    case Column::id:
      return {fmt::format("{}", one.pm_id), Colour::cyan};
    case Column::name:
      return {one.name};
    case Column::name_space:
      return {one.name_space};
    case Column::mode:
      return {std::string(to_string(one.exec_mode))};
    case Column::pid:
      return pid_cell(one);
    case Column::uptime:
      return uptime_cell(one, now);
    case Column::restarts:
      return {fmt::format("{}", one.restarts)};
    case Column::state:
      return state_cell(one);
    case Column::cpu:
      return {cpu_text(one.cpu_percent)};
    case Column::cpu_line:
      return {sparkline(usage.cpu, width, kLeastCpu), Colour::green};
    case Column::memory:
      return {memory_text(one.memory_bytes)};
    case Column::memory_line:
      return {sparkline(usage.memory, width, kLeastMemory)};
  }
  return {};
}

}  // namespace pmx::cli::monit
