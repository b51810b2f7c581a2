// A service whose codes do what tests need.
#pragma once

#include <atomic>
#include <condition_variable>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "libstore/bytes/big_endian.h"
#include "servers/wire/handler.h"

namespace rmq::net {

class EchoService final : public wire::RequestService {
 public:
  static constexpr std::int32_t kEcho = 1;  // body and fields come back, at the end of the turn
  static constexpr std::int32_t kHold = 2;  // answered by release()
  static constexpr std::int32_t kDrop = 3;  // never answered by the handler
  static constexpr std::int32_t kThrow = 4;
  static constexpr std::int32_t kBig = 5;       // `size` bytes from memory
  static constexpr std::int32_t kFile = 6;      // `size` bytes of `file` from `offset`
  static constexpr std::int32_t kCallBack = 7;  // calls the client with code 77, answers with what it says

  std::unique_ptr<wire::RequestHandler> make_handler() override { return std::make_unique<Handler>(*this); }
  void connection_closed(const std::shared_ptr<wire::Connection>&) override {
    const std::lock_guard lock(mutex);
    ++closed;
    changed.notify_all();
  }

  void wait_closed(int count) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return closed >= count; });
  }
  void wait_held(std::size_t count) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return held.size() >= count; });
  }
  // Answers what is held, by the caller's thread.
  void release() {
    std::vector<wire::Responder> all;
    {
      const std::lock_guard lock(mutex);
      all.swap(held);
    }
    for (wire::Responder& one : all)
      one.send({.code = 0, .remark = "released", .fields = {}, .body = {}, .parts = {}});
  }

  std::mutex mutex;
  std::condition_variable changed;
  int closed = 0;
  std::vector<wire::Responder> held;
  std::shared_ptr<wire::Connection> last;
  std::atomic<std::size_t> turns{0};
  std::atomic<std::size_t> requests{0};
  int file = -1;

 private:
  class Handler final : public wire::RequestHandler {
   public:
    explicit Handler(EchoService& service) : service_(service) {}

    void handle(const wire::Request& request, wire::Responder responder) override {
      ++service_.requests;
      switch (request.code) {
        case kHold: {
          const std::lock_guard lock(service_.mutex);
          service_.last = responder.connection();
          service_.held.push_back(std::move(responder));
          service_.changed.notify_all();
          return;
        }
        case kDrop: return;
        case kThrow: throw std::runtime_error("as asked");
        case kBig: return send_big(number(request, "size"), std::move(responder));
        case kFile: return send_file(request, std::move(responder));
        case kCallBack: return call_back(std::move(responder));
        default: echoes_.emplace_back(&*requests_.insert(requests_.end(), request), std::move(responder));
      }
    }

    // Only now are the requests read: they have to live until here.
    void turn_ended() override {
      ++service_.turns;
      for (auto& [request, responder] : echoes_) {
        wire::Response response{
            .code = 0, .remark = {}, .fields = {}, .body = std::string(as_text(request->body)), .parts = {}};
        for (const auto& [name, value] : request->fields) response.fields.emplace_back(name, value);
        responder.send(std::move(response));
      }
      echoes_.clear();
      requests_.clear();
    }

   private:
    static std::int64_t number(const wire::Request& request, std::string_view name) {
      return std::stoll(std::string(request.field(name).value_or("0")));
    }
    static void send_big(std::int64_t size, wire::Responder responder) {
      auto bytes = std::make_shared<const std::string>(static_cast<std::size_t>(size), 'b');
      wire::BodyPart part{.bytes = as_bytes(*bytes), .file = -1, .offset = 0, .size = 0, .owner = bytes};
      wire::Response response;
      response.parts.push_back(std::move(part));
      responder.send(std::move(response));
    }
    void send_file(const wire::Request& request, wire::Responder responder) const {
      wire::Response response{.code = 0, .remark = {}, .fields = {}, .body = "before ", .parts = {}};
      for (int times = 0; times < 2; ++times)
        response.parts.push_back({.bytes = {},
                                  .file = service_.file,
                                  .offset = number(request, "offset"),
                                  .size = number(request, "size"),
                                  .owner = nullptr});
      responder.send(std::move(response));
    }
    static void call_back(wire::Responder responder) {
      const auto connection = responder.connection();
      auto held = std::make_shared<wire::Responder>(std::move(responder));
      connection->invoke({.code = 77, .fields = {{"q", "1"}}, .body = "who are you"},
                         std::chrono::milliseconds(300), [held](const Result<wire::Answer>& answer) {
                           wire::Response response{
                               .code = answer ? 0 : 1, .remark = {}, .fields = {}, .body = {}, .parts = {}};
                           response.remark = answer ? answer->body : answer.error().message();
                           held->send(std::move(response));
                         });
    }

    EchoService& service_;
    std::list<wire::Request> requests_;
    std::vector<std::pair<const wire::Request*, wire::Responder>> echoes_;
  };
};

}  // namespace rmq::net
