// What `describe` prints of one instance.
#pragma once

#include <string>
#include <vector>

#include "cli/render/list_table.h"
#include "cli/render/table.h"
#include "common/model/instance_status.h"

namespace pmx::cli {

// A word for a shell: as it is, or in quotes.
std::string shell_word(const std::string& word);

struct DescribedRow {
  std::string key;
  std::string value;
  Colour colour = Colour::none;
};

// What is known of an instance, in the order it is shown.
std::vector<DescribedRow> described(const InstanceStatus& instance, WallMillis now);

// Tables of keys and values, long values on several lines of a narrow terminal. Needs the details.
std::string describe(const InstanceStatus& instance, const ListStyle& style);

// The command line as one would type it, quoted where a shell needs it.
std::string command_line_of(const AppSpec& spec);

}  // namespace pmx::cli
