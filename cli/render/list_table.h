// The table of `list` and of every command that changes something.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/model/instance_status.h"

namespace pmx::cli {

struct ListStyle {
  std::optional<std::size_t> width;  // none: full layout whatever its width (piped)
  bool colours = false;
  WallMillis now = 0;
};

// The richest of the layouts full, condensed and mini that fits.
std::string list_table(const std::vector<InstanceStatus>& instances, const ListStyle& style);

// `list -m`: a block of `key : value` lines per instance. Needs details for the paths.
std::string mini_list(const std::vector<InstanceStatus>& instances, const ListStyle& style);

// Orders by name, namespace, pid, id, cpu, memory, restarts, uptime or status; a ":desc" after the field
// turns it round. Ids decide between equals. Returns false for an unknown field.
bool sort_instances(std::vector<InstanceStatus>& instances, std::string_view order);

}  // namespace pmx::cli
