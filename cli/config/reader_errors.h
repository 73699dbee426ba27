// What the libraries that read YAML and TOML say of a broken file, in words that tell its writer what
// was expected there.
#pragma once

#include <string>
#include <string_view>

namespace pmx::cli {

struct ReaderError {
  std::string what;
  std::string hint;  // or empty
};

// `said`: the text of yaml-cpp's exception, without its place.
ReaderError yaml_error(std::string_view said);

// `said`: the description of toml++'s error, without its place.
ReaderError toml_error(std::string_view said);

}  // namespace pmx::cli
