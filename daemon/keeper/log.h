// The keeper's log: one line per event on stderr.
#pragma once

namespace pmx::keeper {

// Writes "<UTC time> keeper: <text>\n" in one write; cut at 500 bytes. errno is kept.
[[gnu::format(printf, 1, 2)]] void log_line(const char* format, ...) noexcept;

}  // namespace pmx::keeper
