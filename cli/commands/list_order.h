// The option --sort of list and monit.
#pragma once

#include <string>

namespace pmx::cli {

std::string list_order_help(const std::string& usual);
// Throws UsageError for an order that sort_instances does not know.
void check_list_order(const std::string& order);

}  // namespace pmx::cli
