// From a page to a payment vendor and back: log in, list, order, pay. Postern is where ?postern= says.

const postern = new URLSearchParams(location.search).get("postern") || "http://127.0.0.1:5000";
const api = axios.create({ baseURL: `${postern}/api/v1`, timeout: 15000 });
const find = (id) => document.getElementById(id);
let user;

// Every answer is one envelope: hand on its data, or make an error of what it says.
api.interceptors.response.use(
  (response) => response.data.data,
  (error) => {
    const told = error.response?.data;
    throw new Error(told?.error ? `${told.message} (${told.error.source}: ${told.error.type})` : `Postern does not answer, or this page's origin is not in its CORS_ORIGINS: ${error.message}`);
  },
);

async function login(form) {
  const { access_token } = await api.post("/login", Object.fromEntries(new FormData(form)));
  api.defaults.headers.common.Authorization = `Bearer ${access_token}`;
  user = await api.get("/user/profile");
  form.hidden = true;
  find("shop").hidden = false;
  await list();
  said(`Hello, ${user.username}.`);
}

async function list() {
  const { items } = await api.get("/products", { params: { in_stock: true, limit: 20 } });
  find("products").replaceChildren(...items.map(row));
}

function row(product) {
  const line = document.createElement("tr");
  for (const text of [product.name, product.price, product.stock]) line.insertCell().textContent = text;
  const button = document.createElement("button");
  button.textContent = `Buy ${product.name}`;
  button.onclick = () => doing(() => buy(product));
  line.insertCell().append(button);
  return line;
}

async function buy(product) {
  const order = await api.post(`/users/${user.id}/orders`, { items: [{ product_id: product.id, quantity: 1 }] });
  said(`Order ${order.id}: paying ${order.total} ...`);
  // The same key for the same order: should the answer get lost, paying again charges once.
  const paid = await api.post(`/orders/${order.id}/pay`, { via: "pay.charge" }, { headers: { "Idempotency-Key": `order-${order.id}` } });
  const payments = await api.get("/call/pay/find", { params: { order_id: order.id } });
  said(`Order ${order.id} is ${paid.status}. What the vendor says of it:`);
  find("receipt").textContent = JSON.stringify(payments, null, 2);
  find("receipt").hidden = false;
  await list();
}

function said(text) {
  find("said").textContent = text;
}

function doing(work) {
  return work().catch((error) => said(error.message));
}

find("login").onsubmit = (event) => {
  event.preventDefault();
  doing(() => login(event.target));
};
