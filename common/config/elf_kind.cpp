#include "common/config/elf_kind.h"

#include <elf.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "common/base/unique_fd.h"

namespace pmx {

bool can_preload(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  Elf64_Ehdr header{};
  const ssize_t size = fd ? ::pread(fd.get(), &header, sizeof(header), 0) : -1;
  if (size >= 2 && std::memcmp(&header, "#!", 2) == 0) return true;
  if (size < static_cast<ssize_t>(sizeof(header)) || std::memcmp(&header, ELFMAG, SELFMAG) != 0 ||
      header.e_ident[EI_CLASS] != (sizeof(void*) == 8 ? ELFCLASS64 : ELFCLASS32) ||
      header.e_phentsize != sizeof(Elf64_Phdr))
    return false;
  for (int i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment{};
    const auto at = static_cast<off_t>(header.e_phoff) + i * static_cast<off_t>(sizeof(segment));
    if (::pread(fd.get(), &segment, sizeof(segment), at) != static_cast<ssize_t>(sizeof(segment)))
      return false;
    if (segment.p_type == PT_INTERP) return true;
  }
  return false;
}

}  // namespace pmx
