#include "common/config/user_variables.h"

#include <unistd.h>

#include <string>
#include <utility>

#include "common/sys/child_limits.h"

namespace pmx {

void set_user_variables(AppSpec& spec) {
  Env own = own_variables(spec);
  for (const char* name : {"HOME", "USER", "LOGNAME"}) {
    if (origin_of(spec, name) == kOfPmx) own.erase(name);
  }
  set_env(spec, shell_env(spec), own);
  const sys::ChildLimits limits = sys::child_limits(spec.limits);
  if (!limits.uid || *limits.uid == ::getuid()) return;
  if (const auto user = sys::find_user(std::to_string(*limits.uid))) {
    for (const auto& [name, value] :
         {std::pair("HOME", user->home), {"USER", user->name}, {"LOGNAME", user->name}}) {
      if (!spec.own_env.contains(name)) set_variable(spec, name, value, kOfPmx);
    }
  }
}

}  // namespace pmx
