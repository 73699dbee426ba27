// Media types by a file's extension.
#pragma once

#include <string>
#include <string_view>

namespace pmx::serve {

// "text/html; charset=utf-8" for "a/b.html"; "text/plain; charset=utf-8" for what is not known.
std::string content_type(std::string_view path);

}  // namespace pmx::serve
