#include "bench/broker_load.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <memory>
#include <optional>
#include <random>
#include <sstream>

#include "bench/histogram.h"
#include "bench/measure.h"
#include "libstore/bytes/big_endian.h"
#include "servers/wire/encoder.h"
#include "servers/wire/frame.h"
#include "servers/wire/request_decoder.h"

namespace rmq::bench {
namespace {

constexpr std::int32_t kSend = 310;
constexpr std::int32_t kSendBatch = 320;
constexpr std::int32_t kPull = 11;
constexpr std::int32_t kGetMaxOffset = 30;
constexpr std::size_t kReceive = 256 * 1024;
constexpr std::size_t kUnsent = 256 * 1024;  // of a connection; more is not prepared
// Opaques of eight digits: a frame's length then does not depend on them.
constexpr std::int32_t kFirstOpaque = 10'000'000;
constexpr std::string_view kFirstOpaqueText = "10000000";
constexpr std::string_view kUniqueText =
    "7F0000010000000000000000FFFFFFFF";  // its last eight digits are counted

std::int64_t nanos_now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now().time_since_epoch()).count();
}

double own_cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

std::string properties_of(const BrokerLoad& load) {
  return "TAGS\x01TagA\x02UNIQ_KEY\x01" + std::string(kUniqueText) + "\x02WAIT\x01" +
         (load.wait_store ? "true" : "false") + '\x02';
}

std::string body_of(const BrokerLoad& load) {
  const std::string body(static_cast<std::size_t>(load.body_bytes), 'x');
  if (load.batch == 1) return body;
  const std::string properties = properties_of(load);
  std::string all;
  const auto be = [&](auto value) {
    char bytes[sizeof value];
    store_be(reinterpret_cast<std::byte*>(bytes), value);
    all.append(bytes, sizeof value);
  };
  for (std::int32_t i = 0; i < load.batch; ++i) {
    be(static_cast<std::int32_t>(22 + body.size() + properties.size()));
    be(std::int32_t{0});
    be(std::int32_t{0});
    be(std::int32_t{0});
    be(static_cast<std::int32_t>(body.size()));
    all += body;
    be(static_cast<std::int16_t>(properties.size()));
    all += properties;
  }
  return all;
}

wire::Command send_command(const BrokerLoad& load, std::int32_t queue) {
  const auto born = std::chrono::duration_cast<std::chrono::milliseconds>(
                        std::chrono::system_clock::now().time_since_epoch())
                        .count();
  wire::Command command{.code = load.batch == 1 ? kSend : kSendBatch, .fields = {}, .body = body_of(load)};
  command.fields = {{"a", "BenchProducer"},
                    {"b", load.topic},
                    {"c", "TBW102"},
                    {"d", "4"},
                    {"e", std::to_string(queue)},
                    {"f", "0"},
                    {"g", std::to_string(born)},
                    {"h", "0"}};
  if (load.batch == 1) command.fields.emplace_back("i", properties_of(load));
  command.fields.insert(command.fields.end(),
                        {{"j", "0"}, {"k", "false"}, {"m", load.batch == 1 ? "false" : "true"}});
  return command;
}

wire::Fields pull_fields(const BrokerLoad& load, std::int32_t queue, const std::string& offset, bool hold) {
  return {{"consumerGroup", "BenchConsumer"},
          {"topic", load.topic},
          {"queueId", std::to_string(queue)},
          {"queueOffset", offset},
          {"maxMsgNums", std::to_string(load.batch)},
          {"sysFlag", hold ? "6" : "4"},
          {"commitOffset", "0"},
          {"suspendTimeoutMillis", hold ? "15000" : "0"},
          {"subscription", "*"},
          {"subVersion", "0"},
          {"expressionType", "TAG"}};
}

// A frame in which opaque and one number can be put in place.
class Template {
 public:
  Template() = default;
  Template(const wire::Command& command, wire::SerializeType type) : type_(type) {
    wire::append_command(bytes_, command, kFirstOpaque, false, type);
    opaque_ = type == wire::SerializeType::json ? bytes_.find(kFirstOpaqueText) : wire::kFrameHead + 5;
    for (std::size_t at = bytes_.find(kUniqueText); at != std::string::npos;
         at = bytes_.find(kUniqueText, at + 1))
      unique_.push_back(at + kUniqueText.size() - 8);
  }

  void append(std::string& out, std::int32_t opaque, std::uint64_t& unique) const {
    const std::size_t from = out.size();
    out += bytes_;
    if (type_ == wire::SerializeType::json)
      digits(out.data() + from + opaque_, static_cast<std::uint32_t>(opaque));
    else
      store_be(reinterpret_cast<std::byte*>(out.data() + from + opaque_), opaque);
    for (const std::size_t at : unique_) digits(out.data() + from + at, unique++ % 100'000'000);
  }

 private:
  static void digits(char* to, std::uint64_t number) {
    for (int i = 7; i >= 0; --i, number /= 10) to[i] = static_cast<char>('0' + number % 10);
  }

  std::string bytes_;
  wire::SerializeType type_ = wire::SerializeType::json;
  std::size_t opaque_ = 0;
  std::vector<std::size_t> unique_;
};

struct Socket {
  explicit Socket(int number) : fd(number) {}
  ~Socket() { ::close(fd); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  int fd;
};

Result<std::unique_ptr<Socket>> connect_to(const BrokerLoad& load) {
  auto socket = std::make_unique<Socket>(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(load.port);
  if (::inet_pton(AF_INET, load.host.c_str(), &address.sin_addr) != 1 || load.host.substr(0, 4) != "127.")
    return wrong_use("the load goes to 127.0.0.0/8 only, not to " + load.host);
  const int on = 1;
  ::setsockopt(socket->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (::connect(socket->fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    return os_error(errno, "connecting to " + load.host + ':' + std::to_string(load.port));
  return socket;
}

// One request and its answer, blocking.
class Blocking {
 public:
  explicit Blocking(std::unique_ptr<Socket> socket) : socket_(std::move(socket)) {}

  Status send(const wire::Command& command, std::int32_t opaque, wire::SerializeType type) {
    std::string bytes;
    wire::append_command(bytes, command, opaque, false, type);
    return ::send(socket_->fd, bytes.data(), bytes.size(), MSG_NOSIGNAL) == std::ssize(bytes)
               ? Status{}
               : Status{os_error(errno, "sending")};
  }
  Result<wire::Answer> receive() {
    while (true) {
      const auto frame = wire::next_frame(as_bytes(received_));
      if (!frame) return Error{ErrorCode::io_error, 0, "the broker sent a malformed frame"};
      if (*frame) {
        const auto request = decoder_.decode(**frame);
        if (!request) return Error{ErrorCode::io_error, 0, "the broker sent a malformed header"};
        wire::Answer answer = wire::to_answer(*request);
        received_.erase(0, (*frame)->size);
        decoder_.clear();
        return answer;
      }
      char bytes[64 * 1024];
      const ssize_t got = ::recv(socket_->fd, bytes, sizeof bytes, 0);
      if (got <= 0) return os_error(got == 0 ? ECONNRESET : errno, "receiving");
      received_.append(bytes, static_cast<std::size_t>(got));
    }
  }

 private:
  std::unique_ptr<Socket> socket_;
  std::string received_;
  wire::RequestDecoder decoder_;
};

// Code and opaque of an answer, without decoding the whole of it where Java or we wrote it.
std::optional<std::pair<std::int32_t, std::int32_t>> quick_answer(const wire::Frame& frame) {
  const std::string_view header = as_text(frame.header);
  if (frame.type == wire::SerializeType::rocketmq) {
    if (header.size() < 9) return std::nullopt;
    return std::pair{std::int32_t{load_be<std::int16_t>(frame.header.data())},
                     load_be<std::int32_t>(frame.header.data() + 5)};
  }
  constexpr std::string_view kCode = "{\"code\":";
  constexpr std::string_view kOpaque = "\"opaque\":";
  const std::size_t at = header.rfind(kOpaque);
  if (!header.starts_with(kCode) || at == header.npos) return std::nullopt;
  std::pair<std::int32_t, std::int32_t> answer;
  std::from_chars(header.data() + kCode.size(), header.data() + header.size(), answer.first);
  std::from_chars(header.data() + at + kOpaque.size(), header.data() + header.size(), answer.second);
  return answer;
}

// What the pipelined loads differ in.
class Work {
 public:
  virtual ~Work() = default;
  // Appends the next request of a connection; false when it has none.
  virtual bool next(std::size_t connection, std::int32_t opaque, std::string& out) = 0;
  // Messages and bytes of a good answer.
  virtual std::pair<std::int64_t, std::int64_t> take(const wire::Frame& answer, std::size_t connection,
                                                     std::int32_t opaque) = 0;
};

class Pipeline {
 public:
  Pipeline(const BrokerLoad& load, Work& work) : load_(load), work_(work) {}

  Result<BrokerFigures> run() {
    RMQ_CHECK(open());
    const double cpu = own_cpu_seconds();
    start_ = nanos_now();
    const std::int64_t end = start_ + static_cast<std::int64_t>(load_.seconds * 1e9);
    std::array<epoll_event, 64> events;
    while (true) {
      const std::int64_t now = nanos_now();
      if (now >= end) stopped_ = true;
      for (std::size_t i = 0; i < lines_.size(); ++i) RMQ_CHECK(fill(i, now));
      if (outstanding_ == 0 && done()) break;
      if (now >= end + 10'000'000'000)
        return Error{ErrorCode::io_error, ETIMEDOUT, "waiting for the last answers"};
      const int ready =
          ::epoll_wait(poll_->fd, events.data(), static_cast<int>(events.size()), load_.rate > 0 ? 0 : 100);
      for (int i = 0; i < ready; ++i) {
        Line& line = *lines_[events[static_cast<std::size_t>(i)].data.u64];
        if ((events[static_cast<std::size_t>(i)].events & EPOLLOUT) != 0) line.blocked = false;
        RMQ_CHECK(receive(events[static_cast<std::size_t>(i)].data.u64));
      }
    }
    figures_.seconds = static_cast<double>(last_answer_ - start_) / 1e9;
    figures_.load_cpu_seconds = own_cpu_seconds() - cpu;
    figures_.latencies = latencies_.latencies();
    return figures_;
  }

 private:
  struct Line {
    std::unique_ptr<Socket> socket;
    std::string out;
    std::size_t out_sent = 0;
    std::vector<std::byte> in = std::vector<std::byte>(kReceive);
    std::size_t in_size = 0;
    std::vector<std::int64_t> sent_at;  // by opaque, modulo its size
    std::int32_t next_opaque = kFirstOpaque;
    std::int32_t outstanding = 0;
    bool blocked = false;
  };

  Status open() {
    poll_ = std::make_unique<Socket>(::epoll_create1(EPOLL_CLOEXEC));
    for (std::int32_t i = 0; i < load_.connections; ++i) {
      RMQ_TRY(socket, connect_to(load_));
      ::fcntl(socket->fd, F_SETFL, O_NONBLOCK);
      epoll_event event{.events = EPOLLIN | EPOLLOUT | EPOLLET,
                        .data = {.u64 = static_cast<std::uint64_t>(i)}};
      ::epoll_ctl(poll_->fd, EPOLL_CTL_ADD, socket->fd, &event);
      auto line = std::make_unique<Line>();
      line->socket = std::move(socket);
      line->sent_at.resize(std::bit_ceil(static_cast<std::size_t>(load_.depth)));
      lines_.push_back(std::move(line));
    }
    return {};
  }

  [[nodiscard]] bool done() const { return stopped_ || issued_ * load_.batch >= load_.messages; }

  Status fill(std::size_t index, std::int64_t now) {
    Line& line = *lines_[index];
    while (!done() && line.outstanding < load_.depth && line.out.size() - line.out_sent < kUnsent) {
      std::int64_t due = now;
      if (load_.rate > 0) {
        due = start_ + static_cast<std::int64_t>(static_cast<double>(issued_) * 1e9 / load_.rate);
        if (due > now) break;
      }
      if (!work_.next(index, line.next_opaque, line.out)) break;
      line.sent_at[static_cast<std::size_t>(line.next_opaque) % line.sent_at.size()] = due;
      line.next_opaque = line.next_opaque == 99'999'999 ? kFirstOpaque : line.next_opaque + 1;
      ++line.outstanding;
      ++outstanding_;
      ++issued_;
      if (load_.rate > 0) break;  // in turn over the connections
    }
    if (line.blocked || line.out.size() == line.out_sent) return {};
    const ssize_t sent = ::send(line.socket->fd, line.out.data() + line.out_sent,
                                line.out.size() - line.out_sent, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) return os_error(errno, "sending to the broker");
    line.out_sent += static_cast<std::size_t>(std::max<ssize_t>(sent, 0));
    line.blocked = line.out_sent < line.out.size();
    if (!line.blocked) {
      line.out.clear();
      line.out_sent = 0;
    }
    return {};
  }

  Status receive(std::size_t index) {
    Line& line = *lines_[index];
    while (true) {
      if (line.in_size == line.in.size()) line.in.resize(2 * line.in.size());
      const ssize_t got =
          ::recv(line.socket->fd, line.in.data() + line.in_size, line.in.size() - line.in_size, 0);
      if (got == 0) return Error{ErrorCode::io_error, ECONNRESET, "the broker closed a connection"};
      if (got < 0) return errno == EAGAIN ? Status{} : Status{os_error(errno, "receiving from the broker")};
      line.in_size += static_cast<std::size_t>(got);
      const std::int64_t now = nanos_now();
      std::size_t at = 0;
      while (true) {
        const auto frame =
            wire::next_frame(std::span<const std::byte>(line.in).subspan(at, line.in_size - at));
        if (!frame) return Error{ErrorCode::io_error, 0, "the broker sent a malformed frame"};
        if (!*frame) break;
        RMQ_CHECK(take(index, **frame, now));
        at += (*frame)->size;
      }
      std::memmove(line.in.data(), line.in.data() + at, line.in_size - at);
      line.in_size -= at;
    }
  }

  Status take(std::size_t index, const wire::Frame& frame, std::int64_t now) {
    Line& line = *lines_[index];
    const auto answer = quick_answer(frame);
    if (!answer) return Error{ErrorCode::io_error, 0, "the broker's answer is not understood"};
    --line.outstanding;
    --outstanding_;
    last_answer_ = now;
    if (answer->first != 0) {
      if (figures_.refused++ == 0) {
        wire::RequestDecoder decoder;
        if (const auto whole = decoder.decode(frame)) figures_.first_remark = whole->remark;
        figures_.first_refusal = answer->first;
      }
      return {};
    }
    latencies_.add(now - line.sent_at[static_cast<std::size_t>(answer->second) % line.sent_at.size()]);
    const auto [messages, bytes] = work_.take(frame, index, answer->second);
    ++figures_.requests;
    figures_.messages += messages;
    figures_.bytes += bytes;
    return {};
  }

  const BrokerLoad& load_;
  Work& work_;
  std::unique_ptr<Socket> poll_;
  std::vector<std::unique_ptr<Line>> lines_;
  std::int64_t issued_ = 0;
  std::int64_t outstanding_ = 0;
  bool stopped_ = false;
  std::int64_t start_ = 0;
  std::int64_t last_answer_ = 0;
  BrokerFigures figures_;
  Histogram latencies_;
};

class SendWork final : public Work {
 public:
  explicit SendWork(const BrokerLoad& load) : load_(load) {
    for (std::int32_t queue = 0; queue < load.queues; ++queue)
      frames_.emplace_back(send_command(load, queue), load.type);
    unique_ = std::random_device()();
  }
  bool next(std::size_t, std::int32_t opaque, std::string& out) override {
    frames_[turn_++ % frames_.size()].append(out, opaque, unique_);
    return true;
  }
  std::pair<std::int64_t, std::int64_t> take(const wire::Frame&, std::size_t, std::int32_t) override {
    return {load_.batch, std::int64_t{load_.batch} * load_.body_bytes};
  }

 private:
  const BrokerLoad& load_;
  std::vector<Template> frames_;
  std::size_t turn_ = 0;
  std::uint64_t unique_ = 0;
};

// The queues in turn.
class PullWork final : public Work {
 public:
  PullWork(const BrokerLoad& load, const std::vector<std::int64_t>& ends) : load_(load) {
    for (std::size_t i = 0; i < ends.size(); ++i)
      queues_.push_back({static_cast<std::int32_t>(i), 0, ends[i]});
  }
  bool next(std::size_t, std::int32_t opaque, std::string& out) override {
    for (std::size_t tried = 0; tried < queues_.size(); ++tried) {
      Queue& queue = queues_[turn_++ % queues_.size()];
      if (queue.end < load_.batch) continue;
      if (queue.at + load_.batch > queue.end) queue.at = 0;
      wire::append_command(out,
                           {.code = kPull,
                            .fields = pull_fields(load_, queue.number, std::to_string(queue.at), false),
                            .body = {}},
                           opaque, false, load_.type);
      queue.at += load_.batch;
      return true;
    }
    return false;
  }
  std::pair<std::int64_t, std::int64_t> take(const wire::Frame& frame, std::size_t, std::int32_t) override {
    // Records, each with its size in front.
    std::int64_t messages = 0;
    for (std::size_t at = 0; at + 4 <= frame.body.size(); ++messages) {
      const auto size = load_be<std::int32_t>(frame.body.data() + at);
      if (size <= 0) break;
      at += static_cast<std::size_t>(size);
    }
    return {messages, std::ssize(frame.body)};
  }

 private:
  struct Queue {
    std::int32_t number = 0;
    std::int64_t at = 0;
    std::int64_t end = 0;
  };
  const BrokerLoad& load_;
  std::vector<Queue> queues_;
  std::size_t turn_ = 0;
};

Result<std::int64_t> max_offset(Blocking& line, const BrokerLoad& load, std::int32_t queue) {
  RMQ_CHECK(line.send({.code = kGetMaxOffset,
                       .fields = {{"topic", load.topic}, {"queueId", std::to_string(queue)}},
                       .body = {}},
                      1, load.type));
  RMQ_TRY(answer, line.receive());
  const auto text = answer.field("offset");
  std::int64_t offset = -1;
  if (answer.code != 0 || !text ||
      std::from_chars(text->data(), text->data() + text->size(), offset).ec != std::errc{})
    return Error{ErrorCode::io_error, 0,
                 "the broker does not tell the end of a queue: " + answer.remark.value_or("no remark")};
  return offset;
}

}  // namespace

Result<BrokerFigures> send_to_broker(const BrokerLoad& load) {
  SendWork work(load);
  return Pipeline(load, work).run();
}

Result<BrokerFigures> pull_from_broker(const BrokerLoad& load) {
  RMQ_TRY(socket, connect_to(load));
  Blocking line(std::move(socket));
  std::vector<std::int64_t> ends;
  std::int64_t most = 0;
  for (std::int32_t queue = 0; queue < load.queues; ++queue) {
    RMQ_TRY(end, max_offset(line, load, queue));
    ends.push_back(end);
    most = std::max(most, end);
  }
  if (most < load.batch)
    return wrong_use("there are fewer messages in " + load.topic + " than one pull is to get");
  PullWork work(load, ends);
  return Pipeline(load, work).run();
}

Result<BrokerFigures> send_to_held_pull(const BrokerLoad& load) {
  RMQ_TRY(pull_socket, connect_to(load));
  RMQ_TRY(send_socket, connect_to(load));
  Blocking puller(std::move(pull_socket));
  Blocking sender(std::move(send_socket));
  const wire::Command send = send_command(load, 0);
  RMQ_CHECK(sender.send(send, 1, load.type));  // makes the topic
  RMQ_CHECK(sender.receive());
  RMQ_TRY(first, max_offset(puller, load, 0));
  std::int64_t offset = first;
  Histogram latencies;
  BrokerFigures figures;
  const double cpu = own_cpu_seconds();
  const auto start = Clock::now();
  for (; figures.requests + figures.refused < load.messages && seconds_since(start) < load.seconds;
       ++offset) {
    RMQ_CHECK(
        puller.send({.code = kPull, .fields = pull_fields(load, 0, std::to_string(offset), true), .body = {}},
                    2, load.type));
    ::usleep(500);  // until it is held
    const std::int64_t before = nanos_now();
    RMQ_CHECK(sender.send(send, 3, load.type));
    RMQ_TRY(pulled, puller.receive());
    const std::int64_t after = nanos_now();
    RMQ_TRY(sent, sender.receive());
    if (pulled.code != 0 || sent.code != 0) {
      if (figures.refused++ == 0) {
        figures.first_refusal = pulled.code != 0 ? pulled.code : sent.code;
        figures.first_remark = (pulled.code != 0 ? pulled : sent).remark.value_or("");
      }
      continue;
    }
    latencies.add(after - before);
    ++figures.requests;
    ++figures.messages;
    figures.bytes += std::ssize(pulled.body);
  }
  figures.seconds = seconds_since(start);
  figures.load_cpu_seconds = own_cpu_seconds() - cpu;
  figures.latencies = latencies.latencies();
  return figures;
}

Result<double> cpu_seconds_of(std::int64_t pid) {
  const std::string path = "/proc/" + std::to_string(pid) + "/stat";
  std::ifstream in(path);
  std::string text;
  std::getline(in, text);
  const std::size_t name_end = text.rfind(')');
  if (name_end == text.npos) return os_error(ENOENT, path);
  std::istringstream words(text.substr(name_end + 1));
  std::string word;
  for (int i = 0; i < 11; ++i) words >> word;  // from the state to majflt's children
  double user = 0;
  double system = 0;
  words >> user >> system;
  return (user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

Result<std::int64_t> rss_anon_of(std::int64_t pid) {
  const std::string path = "/proc/" + std::to_string(pid) + "/status";
  std::ifstream status(path);
  for (std::string word; status >> word;) {
    std::int64_t kib = 0;
    if (word == "RssAnon:" && status >> kib) return kib * 1024;
  }
  return os_error(ENOENT, path);
}

}  // namespace rmq::bench
