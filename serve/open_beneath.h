// Opens what a request may see of a directory, and nothing else.
#pragma once

#include <string>

#include "common/base/unique_fd.h"

namespace pmx::serve {

// The part of the tree that a request's path names, relative to the root: "." for "/". Empty: the
// path names something hidden (a part begins with a dot, but for .well-known) or is no path.
std::string visible_path(const std::string& request_path);

// Opens `path` below `root` for reading; links that lead out of it are not followed. Empty: errno
// says why. `root` is looked up anew each time: a link that is changed to a new release counts.
UniqueFd open_beneath(const std::string& root, const std::string& path);

}  // namespace pmx::serve
