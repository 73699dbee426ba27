#include "daemon/os/secret_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "common/base/unique_fd.h"

namespace pmx {
namespace {

constexpr std::size_t kLargest = std::size_t{64} << 10;

[[noreturn]] void fail(int error, const std::string& what, const std::string& path) {
  throw std::system_error(error, std::generic_category(), what + " " + path);
}

}  // namespace

std::string read_secret(const std::string& path) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!file) fail(errno, "open the secret", path);
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) fail(errno, "look at the secret", path);
  if (!S_ISREG(info.st_mode)) fail(EINVAL, "a secret is a regular file, unlike", path);
  std::string content(kLargest + 1, '\0');
  std::size_t size = 0;
  for (;;) {
    const ssize_t got = ::read(file.get(), content.data() + size, content.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail(errno, "read the secret", path);
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
    if (size > kLargest) fail(EFBIG, "a secret has at most 64 KiB, unlike", path);
  }
  content.resize(size);
  if (content.find('\0') != std::string::npos)
    fail(EINVAL, "a variable cannot have the NUL bytes of the secret", path);
  if (content.ends_with('\n')) content.pop_back();
  if (content.ends_with('\r')) content.pop_back();
  return content;
}

}  // namespace pmx
