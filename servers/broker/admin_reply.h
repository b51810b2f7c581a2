// Answers with a JSON body, as RemotingSerializable.encode makes them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "libstore/base/error.h"
#include "libstore/bytes/big_endian.h"
#include "libstore/json/json_writer.h"
#include "servers/broker/request_fields.h"

namespace rmq::broker {

[[nodiscard]] inline wire::Response answer_json(const json::Value& body) {
  wire::Response response = answer_success();
  response.body = json::write_fastjson(body, {.pretty = false});
  return response;
}

[[nodiscard]] inline std::string_view body_text(const wire::Request& request) {
  return as_text(request.body);
}

// What to answer when a step failed: the remark is what a Java exception says.
[[nodiscard]] inline wire::Response answer_error(const Error& error) {
  return answer(ResponseCode::system_error, error.message());
}

}  // namespace rmq::broker
