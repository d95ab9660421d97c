// The page's words in English and Chinese. An entry is a pair of texts, or of
// functions where the text depends on a value.

const words = {
  tagline: ['Seats that drivers offer now, taken at once.', '司机此刻的空座，即刻上车。'],
  otherLanguage: ['中文', 'English'],
  loading: ['Loading…', '加载中…'],
  more: ['Show more', '加载更多'],
  to: ['to', '到'],
  unreachable: ['The server cannot be reached.', '无法连接服务器。'],
  tryAgainIn: [n => `Try again in ${n} s.`, n => `请在 ${n} 秒后重试。`],
  seats: [n => (n === 1 ? '1 seat' : `${n} seats`), n => `${n} 座`],
  minutes: [n => `${n} min`, n => `${n} 分钟`],
  live: ['live', '实时'],
  paceText: [n => `Time runs ${n} times as fast as yours.`, n => `此处时间是您的 ${n} 倍速。`],
  offline: ['connecting…', '连接中…'],

  phone: ['Phone number', '手机号'],
  phoneHint: ['With the country code, such as +86 138 0013 8000.', '带国家码，例如 +86 138 0013 8000。'],
  sendCode: ['Send me a code', '获取验证码'],
  code: ['Code', '验证码'],
  codeSent: [p => `A code is on its way to ${p}. In the demo, the server's log shows it.`, p => `验证码已发送至 ${p}。演示环境中，验证码显示在服务器日志里。`],
  otherPhone: ['Another number', '换个号码'],
  signIn: ['Sign in', '登录'],
  signOut: ['Sign out', '退出'],
  signInAs: ['I am here to', '我要'],
  ride: ['ride', '乘车'],
  drive: ['drive', '开车'],
  operatorsOnly: ['The job monitor is for operators: sign in with the token that “spotpool token --role operator” prints, as /#token=…', '作业监控仅限运营人员：请用 spotpool token --role operator 输出的令牌，以 /#token=… 登录。'],
  signedOut: ['Your sign-in has ended. Please sign in again.', '登录已失效，请重新登录。'],

  orders: ['Orders', '订单'],
  trips: ['Trips', '行程'],
  inbox: ['Inbox', '消息'],
  newOrder: ['Order seats', '下单拼车'],
  newTrip: ['Offer seats', '发布行程'],
  sections: ['Sections', '栏目'],
  operating: ['Operating', '运维'],
  monitor: ['Job monitor', '作业监控'],
  apiText: ['API', '接口文档'],
  metrics: ['Metrics', '指标'],
  noOrders: ['No orders yet.', '还没有订单。'],
  noTrips: ['No trips yet.', '还没有行程。'],
  noNotices: ['Nothing yet. What happens to your orders and trips is told here.', '暂无消息。订单和行程的动态会显示在这里。'],

  from: ['From', '起点'],
  destination: ['To', '终点'],
  anywhere: ['anywhere', '不限终点'],
  taxi: ['I go wherever my riders go', '不设终点，随乘客而行'],
  pointHint: ['Click the map, or type latitude, longitude.', '点击地图，或输入“纬度, 经度”。'],
  pointWrong: ['This is not a latitude and longitude, such as 31.2304, 121.4737.', '请输入有效的纬度和经度，例如 31.2304, 121.4737。'],
  placeName: ['Name (optional)', '名称（可选）'],
  seatCount: ['Seats', '座位数'],
  departAfter: ['Leave no earlier than', '最早出发'],
  arriveBefore: ['Arrive no later than', '最晚到达'],
  times: ['Times (optional; without them: now)', '时间（可选；不填即现在出发）'],
  departAt: ['Departure, in ten minutes unless you say', '出发时间（不填则十分钟后）'],
  maxDetour: ['Longest detour, min', '最多绕路（分钟）'],
  showFare: ['Show fare', '查看车费'],
  orderFor: [m => `Order, for ${m} at most`, m => `下单，最多 ${m}`],
  quoteText: [(d, m) => `${d}, about ${m} by car`, (d, m) => `${d}，车程约 ${m}`],
  offer: ['Offer these seats', '发布'],

  pickup: ['Pickup', '上车'],
  dropoff: ['Drop-off', '下车'],
  departs: ['Departs', '出发'],
  arrives: ['Arrives', '到达'],
  fare: ['Fare', '车费'],
  charged: ['Charged', '实付'],
  fares: [(pooled, solo) => `${pooled} shared, ${solo} alone`, (pooled, solo) => `拼成 ${pooled}，未拼成 ${solo}`],
  trip: ['Trip', '行程'],
  order: ['Order', '订单'],
  orderedAt: ['Ordered', '下单时间'],
  window: ['Wanted', '期望时间'],
  confirmedIn: [s => `confirmed after ${s}`, s => `${s} 后确认`],
  detour: ['Detour', '绕路'],
  upTo: [m => `up to ${m}`, m => `最多 ${m}`],
  seatsLeft: [(left, all) => `${left} of ${all} seats free`, (left, all) => `余 ${left}/${all} 座`],
  plan: ['Plan', '停靠计划'],
  driverHere: [at => `Your driver is here, since ${at}.`, at => `司机已于 ${at} 到达上车点。`],
  car: ['Car', '车辆'],
  carAt: [at => `The car at ${at}`, at => `${at} 的车辆位置`],
  driving: ['Driving', '驾驶'],
  setOut: ['Set out now', '现在出发'],
  arrived: ['I am here', '已到达'],
  pickedUp: ['Picked up', '乘客已上车'],
  droppedOff: ['Dropped off', '乘客已下车'],
  noShow: ['The rider did not come', '乘客未到'],
  noShowFrom: [at => `Not come (from ${at})`, at => `乘客未到（${at} 起）`],
  endTrip: ['End the trip', '结束行程'],
  changeSeats: ['Change seats', '修改座位数'],
  showWhereIAm: ['Show riders where I am', '向乘客显示我的位置'],
  cancelOrder: ['Cancel this order', '取消订单'],
  reallyCancel: ['Cancel it, and give the seats back?', '确定取消并释放座位？'],
  cancelCosts: [m => `Cancelling now costs ${m}.`, m => `现在取消需付 ${m}。`],
  yesCancel: ['Yes, cancel', '确定取消'],
  keep: ['Keep it', '保留'],

  flow: ['Progress', '处理进度'],
  orElse: ['or else', '否则'],
  together: ['side by side', '并行'],
  attempts: [n => (n === 1 ? '1 attempt' : `${n} attempts`), n => `尝试 ${n} 次`],
  again: [at => `due ${at}`, at => `${at} 执行`],
  because: [c => `because: ${c}`, c => `原因：${c}`],

  map: ['Map', '地图'],
  pickFrom: ['Click the map: where from?', '点击地图选择起点'],
  pickTo: ['Click the map: where to?', '点击地图选择终点'],

  'role.rider': ['rider', '乘客'],
  'role.driver': ['driver', '司机'],
  'role.operator': ['operator', '运营'],

  'order.matching': ['matching', '撮合中'],
  'order.matched': ['matched', '已撮合'],
  'order.confirmed': ['confirmed', '已确认'],
  'order.riding': ['riding', '乘车中'],
  'order.completed': ['completed', '已完成'],
  'order.no_show': ['did not come', '乘客未到'],
  'order.cancelled': ['cancelled', '已取消'],
  'order.expired': ['expired', '已过期'],

  'trip.open': ['open', '可拼'],
  'trip.departed': ['departed', '已出发'],
  'trip.completed': ['completed', '已完成'],
  'trip.cancelled': ['cancelled', '已取消'],

  'stop.reached': ['the car is there', '车辆已到'],
  'stop.made': ['done', '已完成'],
  'stop.missed': ['did not come', '乘客未到'],
  'stop.dropped': ['not any more', '已取消'],

  'payment.none': ['not held', '未预授权'],
  'payment.held': ['held', '已预授权'],
  'payment.captured': ['charged', '已扣款'],
  'payment.owed': ['owed', '待补缴'],
  'payment.voided': ['hold released', '预授权已撤销'],
  'payment.lapsed': ['hold lapsed', '预授权已失效'],
  'payment.refunding': ['being refunded', '退款中'],
  'payment.refunded': ['refunded', '已退款'],

  'flow.running': ['running', '进行中'],
  'flow.stopping': ['stopping', '停止中'],
  'flow.catching': ['undoing', '回退中'],
  'flow.done': ['done', '完成'],
  'flow.failed': ['failed', '失败'],
  'flow.cancelled': ['cancelled', '已取消'],

  'job.waiting': ['not yet begun', '未开始'],
  'job.ready': ['in the queue', '队列中'],
  'job.running': ['in the queue', '队列中'],
  'job.done': ['done', '完成'],
  'job.failed': ['failed', '失败'],
  'job.skipped': ['skipped', '已跳过'],

  'reason.no_trip': ['no trip was found in time', '未在时限内找到行程'],
  'reason.deadline_passed': ['its time was up', '已超过时限'],
  'reason.trip_cancelled': ['the trip was called off', '行程被取消'],
  'reason.moved': ['on another trip now', '已改乘另一行程'],
  'reason.payment_declined': ['the payment was declined', '支付被拒'],
  'reason.gateway_unavailable': ['the payment service did not answer', '支付服务无响应'],
  'reason.cancelled_by_rider': ['cancelled by the rider', '乘客取消'],
  'reason.cancelled_by_operator': ['cancelled by an operator', '运营人员取消'],
  'reason.cancelled': ['cancelled', '已取消'],
};

const key = 'spotpool.lang';
let chosen = localStorage.getItem(key) ?? (navigator.language.startsWith('zh') ? 'zh' : 'en');

// lang returns the page's language, "en" or "zh".
export const lang = () => chosen;

// setLang changes and remembers it; whoever calls it draws the page again.
export function setLang(next) {
  chosen = next;
  localStorage.setItem(key, next);
}

// t returns the text of an entry. A state or a reason that the dictionary does
// not know is shown as the server wrote it.
export function t(name, ...values) {
  const entry = words[name]?.[chosen === 'zh' ? 1 : 0] ?? name.slice(name.indexOf('.') + 1);
  return typeof entry === 'function' ? entry(...values) : entry;
}
