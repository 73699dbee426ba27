// Which environment variables look like secrets. By name and shape only: neither complete nor
// always right, so values that look secret are left out and named, never changed.
#pragma once

#include <string_view>

namespace pmx {

// "DB_PASSWORD", "githubToken", "BASIC_AUTH" (but not "AUTHOR"), in any case.
bool is_secret_name(std::string_view name);

// "postgres://user:password@host/db": a URL that carries a password.
bool is_secret_value(std::string_view value);

inline bool is_secret(std::string_view name, std::string_view value) {
  return is_secret_name(name) || is_secret_value(value);
}

}  // namespace pmx
