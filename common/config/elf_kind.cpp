#include "common/config/elf_kind.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>

#include "common/base/unique_fd.h"

namespace pmx {
namespace {

constexpr std::size_t kMostNotes = 4096;   // bytes: Go's is among the first
constexpr std::size_t kLongestLine = 256;  // of a script's first one, as in Linux: BINPRM_BUF_SIZE
constexpr int kMostScripts = 4;            // each the interpreter of the one before, likewise

// Go's linker leaves its build id as a note of this name.
bool has_go_note(int fd, const Elf64_Phdr& segment) {
  constexpr char kName[] = "Go";
  std::array<char, kMostNotes> notes{};
  const std::size_t wanted = std::min<std::size_t>(segment.p_filesz, notes.size());
  const ssize_t got = ::pread(fd, notes.data(), wanted, static_cast<off_t>(segment.p_offset));
  const std::size_t size = got > 0 ? static_cast<std::size_t>(got) : 0;
  const auto padded = [](std::size_t bytes) { return (bytes + 3U) & ~std::size_t{3}; };
  for (std::size_t at = 0; at + sizeof(Elf64_Nhdr) <= size;) {
    Elf64_Nhdr note{};
    std::memcpy(&note, notes.data() + at, sizeof(note));
    at += sizeof(note);
    // Its name is padded with a second zero byte, which is counted.
    if (note.n_namesz == 4 && at + 4 <= size && std::memcmp(notes.data() + at, kName, 3) == 0)
      return true;
    at += padded(note.n_namesz) + padded(note.n_descsz);
  }
  return false;
}

// As execve(2) decides: then the loader trusts no LD_PRELOAD.
bool gains_privileges(int fd, uid_t uid) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return false;
  if ((info.st_mode & S_ISUID) != 0 && info.st_uid != uid) return true;
  // Without the group's right to execute the bit means something else.
  constexpr mode_t kSetGroup = S_ISGID | S_IXGRP;
  if ((info.st_mode & kSetGroup) == kSetGroup && info.st_gid != ::getgid()) return true;
  return uid != 0 && ::fgetxattr(fd, "security.capability", nullptr, 0) > 0;
}

// "" if the line is of no use.
std::string interpreter_of_script(int fd) {
  std::array<char, kLongestLine> line{};
  const ssize_t size = ::pread(fd, line.data(), line.size(), 0);
  std::string_view text(line.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
  text = text.substr(2, text.find('\n') - 2);
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
  return std::string(text.substr(0, text.find_first_of(" \t\r")));
}

ProgramKind kind_of(const std::string& path, uid_t uid, int scripts_left) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  Elf64_Ehdr header{};
  const ssize_t size = fd ? ::pread(fd.get(), &header, sizeof(header), 0) : -1;
  if (size >= 2 && std::memcmp(&header, "#!", 2) == 0) {
    return scripts_left > 0 ? kind_of(interpreter_of_script(fd.get()), uid, scripts_left - 1)
                            : ProgramKind::unknown;
  }
  if (size < EI_NIDENT || std::memcmp(&header, ELFMAG, SELFMAG) != 0) return ProgramKind::unknown;
  if (header.e_ident[EI_CLASS] == ELFCLASS32) return ProgramKind::is_other_class;
  if (size < static_cast<ssize_t>(sizeof(header)) || header.e_phentsize != sizeof(Elf64_Phdr))
    return ProgramKind::unknown;
  if (gains_privileges(fd.get(), uid)) return ProgramKind::gains_privileges;
  bool is_dynamic = false;
  for (int i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment{};
    const auto at = static_cast<off_t>(header.e_phoff) + i * static_cast<off_t>(sizeof(segment));
    if (::pread(fd.get(), &segment, sizeof(segment), at) != static_cast<ssize_t>(sizeof(segment)))
      return ProgramKind::unknown;
    if (segment.p_type == PT_INTERP) is_dynamic = true;
    if (segment.p_type == PT_NOTE && has_go_note(fd.get(), segment)) return ProgramKind::is_go;
  }
  return is_dynamic ? ProgramKind::loads_libraries : ProgramKind::is_static;
}

}  // namespace

ProgramKind program_kind(const std::string& path, uid_t uid) {
  return kind_of(path, uid, kMostScripts);
}

std::string_view why_no_preload(ProgramKind kind) noexcept {
  switch (kind) {
    case ProgramKind::is_static:
      return "is statically linked";
    case ProgramKind::is_go:
      return "is a Go program, which makes its system calls itself";
    case ProgramKind::is_other_class:
      return "is a 32-bit program";
    case ProgramKind::gains_privileges:
      return "gains privileges when it starts (set-user-ID, set-group-ID or file capabilities)";
    case ProgramKind::loads_libraries:
    case ProgramKind::unknown:
      break;
  }
  return "is no dynamically linked program of this machine";
}

}  // namespace pmx
