// Reads log files that were put aside (old_logs.h), compressed or not.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace pmx {

// Gives all of the file, block by block. False: it cannot be read, or is damaged.
bool read_old_log(const std::string& path, const std::function<void(std::string_view)>& bytes);

}  // namespace pmx
