// The outcome of an act that gives no value.
#pragma once

#include <utility>

#include "libstore/base/error.h"

namespace rmq {

using Status = Result<void>;

}  // namespace rmq

// Evaluates `expression` (a Status); returns its error from the enclosing function.
#define RMQ_CHECK(expression)                                \
  do {                                                       \
    auto rmq_status = (expression);                          \
    if (!rmq_status) return std::move(rmq_status).error();   \
  } while (false)
