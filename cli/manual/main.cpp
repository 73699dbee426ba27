// pmx_manual PROSE PAGE: writes a page of the manual. Runs while pmx is built, is not installed.
#include <cstdio>
#include <exception>
#include <stdexcept>

#include "cli/manual/manual.h"
#include "common/sys/file.h"

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fputs("usage: pmx_manual PROSE PAGE\n", stderr);
    return 2;
  }
  try {
    const auto prose = pmx::sys::read_file(argv[1]);
    if (!prose) throw std::runtime_error("does not exist");
    pmx::sys::replace_file(argv[2], pmx::cli::manual_page(*prose), 0644);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", argv[1], error.what());
    return 1;
  }
  return 0;
}
