#include "cli/commands/list_order.h"

#include <fmt/format.h>

#include <vector>

#include "cli/command_line.h"
#include "cli/render/list_table.h"

namespace pmx::cli {
namespace {

constexpr const char* kFields = "name, namespace, pid, id, cpu, memory, restarts, uptime or status";

}  // namespace

std::string list_order_help(const std::string& usual) {
  return fmt::format("{}; {} if it is not given", kFields, usual);
}

void check_list_order(const std::string& order) {
  std::vector<InstanceStatus> none;
  if (sort_instances(none, order)) return;
  throw UsageError(fmt::format("--sort does not know \"{}\"", order),
                   fmt::format("{}, each also with :desc", kFields));
}

}  // namespace pmx::cli
