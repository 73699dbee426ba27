// The columns of the list: which ones a width has room for, and what stands in them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/monit/instance_list.h"
#include "cli/render/table.h"

namespace pmx::cli::monit {

enum class Column {
  id,
  name,
  name_space,
  mode,
  pid,
  uptime,
  restarts,
  state,
  cpu,
  cpu_line,
  memory,
  memory_line,
};

struct PlacedColumn {
  Column column = Column::id;
  int at = 0;  // from the left edge of the list
  int width = 0;
  bool right = false;
};

// In the order of the screen; the name takes what the others leave. `width` at least 79.
std::vector<PlacedColumn> columns_for(int width);

std::string_view title_of(Column column);
// The order (InstanceList::set_order) that a click on the title asks for.
std::string_view order_of(Column column);

Cell cell_of(const PlacedColumn& column, const InstanceStatus& one, const Usage& usage,
             WallMillis now);

}  // namespace pmx::cli::monit
