#include "cli/log_view/old_log_reader.h"

#include <zlib.h>

#include <array>

namespace pmx {

bool read_old_log(const std::string& path, const std::function<void(std::string_view)>& bytes) {
  gzFile file = ::gzopen(path.c_str(), "rbe");  // what is not compressed is read as it is
  if (file == nullptr) return false;
  std::array<char, 64 * 1024> block;
  int got = 0;
  while ((got = ::gzread(file, block.data(), static_cast<unsigned>(block.size()))) > 0)
    bytes({block.data(), static_cast<std::size_t>(got)});
  return ::gzclose(file) == Z_OK && got == 0;
}

}  // namespace pmx
