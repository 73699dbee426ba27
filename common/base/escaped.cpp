#include "common/base/escaped.h"

namespace pmx {

std::string escaped(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= ' ' && byte < 0x7f) {
      text += c;
    } else {
      text += {'\\', 'x', kDigits[byte >> 4U], kDigits[byte & 0xfU]};
    }
  }
  return text;
}

}  // namespace pmx
