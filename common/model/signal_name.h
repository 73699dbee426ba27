// Names of signals ("SIGINT") and back.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace pmx {

// "SIGINT"; numbers without a name give "SIG<n>".
std::string signal_name(int number);
// Accepts "SIGINT" and "INT" in any case. Numbers are refused, as pm2 does.
std::optional<int> signal_number(std::string_view name);

}  // namespace pmx
