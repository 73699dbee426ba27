#include "serve/content_types.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace pmx::serve {
namespace {

struct Type {
  std::string_view extension;
  std::string_view type;
};

constexpr auto kTypes = std::to_array<Type>({
    {"html", "text/html"},
    {"htm", "text/html"},
    {"css", "text/css"},
    {"js", "text/javascript"},
    {"mjs", "text/javascript"},
    {"csv", "text/csv"},
    {"md", "text/markdown"},
    {"xml", "text/xml"},
    {"json", "application/json"},
    {"map", "application/json"},
    {"webmanifest", "application/manifest+json"},
    {"wasm", "application/wasm"},
    {"pdf", "application/pdf"},
    {"zip", "application/zip"},
    {"gz", "application/gzip"},
    {"tar", "application/x-tar"},
    {"png", "image/png"},
    {"jpg", "image/jpeg"},
    {"jpeg", "image/jpeg"},
    {"gif", "image/gif"},
    {"svg", "image/svg+xml"},
    {"ico", "image/x-icon"},
    {"webp", "image/webp"},
    {"avif", "image/avif"},
    {"mp3", "audio/mpeg"},
    {"ogg", "audio/ogg"},
    {"wav", "audio/wav"},
    {"mp4", "video/mp4"},
    {"webm", "video/webm"},
    {"woff", "font/woff"},
    {"woff2", "font/woff2"},
    {"ttf", "font/ttf"},
    {"otf", "font/otf"},
    {"bin", "application/octet-stream"},
});

}  // namespace

std::string content_type(std::string_view path) {
  const std::size_t dot = path.find_last_of("./");
  std::string extension(dot != std::string_view::npos && path[dot] == '.' ? path.substr(dot + 1)
                                                                          : std::string_view());
  std::ranges::transform(extension, extension.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const auto found = std::ranges::find(kTypes, extension, &Type::extension);
  std::string type(found == kTypes.end() ? "text/plain" : found->type);
  if (type.starts_with("text/") || type == "application/json") type += "; charset=utf-8";
  return type;
}

}  // namespace pmx::serve
